package messages

import (
	"fmt"
	"time"
)

var korean = Language{
	Tag: "ko", OwnName: "한국어",
	Country: "KR", Dates: Dates{Year: "년", Month: "월", Day: "일"},
	Brand:  "마루",
	Broken: "일시적인 오류가 발생했어요. 다시 시도해 주세요.",

	Email: "이메일", Name: "이름", Password: "비밀번호", CurrentPassword: "현재 비밀번호", NewPassword: "새 비밀번호",
	PasswordHint: "8자 이상이어야 해요. 서로 관련 없는 단어를 여러 개 이으면 좋아요.",
	ShowPassword: "보기", HidePassword: "숨기기", CapsLock: "Caps Lock이 켜져 있어요.", Strength: "아직 짧아요|쉽게 추측할 수 있어요|괜찮아요|좋아요",
	LanguageLabel: "언어",
	ErrorPrefix:   "오류: ", CheckFields: "다음을 확인해 주세요.",

	LoginTitle: "로그인", LoginHeading: "로그인", LoginButton: "로그인", NoAccount: "처음이신가요?", SignupLink: "회원가입",
	SignupTitle: "회원가입", SignupHeading: "계정 만들기", SignupButton: "가입하기", HaveAccount: "이미 계정이 있나요?", LoginLink: "로그인",
	NameHint:        "다른 사람에게 보이는 이름이에요. 언제든 바꿀 수 있어요.",
	AccountNameHint: "계정의 이름이에요. 로그인하면 앱에 전달돼요. 앱에서 따로 쓰는 프로필 이름은 그 앱에서 바꿔요.",
	LoginToContinue: "계속하려면 로그인해 주세요", SignupToContinue: "계속하려면 가입해 주세요",
	AppPolicy: "개인정보처리방침", AppTerms: "이용약관",
	AppUnchecked: "마루에서 확인하지 않은 앱이에요. 이름도 앱이 직접 정했어요.", AppFrom: "앱 주소", AppReturn: "돌아갈 주소", AppKnown: "아는 주소일 때만 계속하세요.",
	AppOnDevice: "이 기기에 있는 프로그램으로 돌아가요. 방금 직접 시작한 경우에만 계속하세요.",

	ConsentTitle:   "접근 허용",
	ConsentHeading: func(app string) string { return app + "에서 접근 권한을 요청했어요" },
	ConsentIntro:   "허용하면 이 앱이 다음을 할 수 있어요.", ConsentAlways: "로그인에 필요",
	AllowButton: "허용", DenyButton: "취소",
	ConsentFooter: "계정의 ‘연결된 앱’에서 언제든 연결을 끊을 수 있어요.",
	SignedInAs:    func(email string) string { return email + " 계정으로 로그인했어요" },
	OtherAccount:  "다른 계정 사용",
	Scopes: map[string]string{
		"openid":         "마루 계정으로 로그인",
		"profile":        "이름과 프로필 보기",
		"email":          "이메일 주소 보기",
		"address":        "주소 보기",
		"phone":          "전화번호 보기",
		"offline_access": "앱을 쓰지 않는 동안에도 접근 권한 유지",
		"user:read":      "내 프로필과 설정 보기",
		"user:write":     "내 프로필과 설정 변경",
		"user:lookup":    "공개 프로필 조회",
		"board:read":     "게시판 읽기",
		"board:write":    "내 이름으로 글과 댓글 쓰기, 수정, 삭제",
		"board:moderate": "내 이름으로 게시판 관리: 글 숨김, 삭제, 고정, 잠금",
	},
	OtherScope: func(name string) string { return name },

	AccountTitle: "계정", AccountHeading: "내 계정", AccountNav: "계정 메뉴",
	SaveButton: "저장", EmailLabel: "이메일",
	PasswordTitle: "비밀번호", PasswordIntro: "비밀번호를 바꾸면 이 기기를 제외한 모든 기기에서 로그아웃되고, 그 기기에서 연결한 앱의 연결도 끊겨요.", PasswordButton: "비밀번호 변경",
	SessionsTitle: "로그인 기기", SessionsIntro: "지금 로그인되어 있는 기기예요. 모르는 기기가 있으면 로그아웃하고 비밀번호를 바꿔 주세요. 비밀번호를 바꾸면 그 기기에서 연결한 앱의 연결도 끊겨요.",
	ThisSession: "현재 기기", SessionUnknown: "알 수 없는 기기", EndButton: "로그아웃", EndOthersButton: "모두 로그아웃", EndOthers: "이 기기를 제외한 모든 기기에서",
	Device:   func(browser, system string) string { return joined(" · ", system, browser) },
	LoggedIn: "로그인:",
	Moment: func(at time.Time) string {
		half := "오전"
		if at.Hour() >= 12 {
			half = "오후"
		}
		return at.Format("2006년 1월 2일 ") + half + at.Format(" 3:04")
	},
	Seen:      func(ago time.Duration) string { return "마지막 활동 " + agoKorean(ago) },
	From:      func(address string) string { return "IP " + address },
	AppsTitle: "연결된 앱", AppsTab: "앱", AppsIntro: "내 계정을 사용하는 앱이에요.",
	NoApps:         "아직 내 계정을 사용하는 앱이 없어요.",
	WithdrawButton: "연결 끊기", CanDo: "할 수 있는 일",
	Connected: func(ago time.Duration) string { return agoKorean(ago) + " 연결" },

	LogoutTitle: "로그아웃", LogoutHeading: "로그아웃할까요?", LogoutIntro: "이 기기에서 다시 로그인해야 해요.", LogoutButton: "로그아웃",
	LogoutAskedBy: func(app string) string { return app + "에서 로그아웃을 요청했어요." },
	StayLink:      "취소",
	DeviceTitle:   "기기 연결", DeviceHeading: "기기 연결", DeviceIntro: "기기에 표시된 코드를 입력해 주세요.", DeviceCode: "코드",
	DeviceContinue:       "계속",
	DeviceConfirmHeading: func(app string) string { return app + " 앱을 연결할까요?" },
	DeviceCheck:          "기기에 이 코드가 똑같이 표시되어 있어야 해요.",
	DeviceWarning:        "지금 앞에 있는 기기에서 직접 시작한 경우에만 계속하세요. 다른 사람이 보낸 코드나 링크라면 취소하세요. 그 사람이 내 계정에 들어올 수 있어요.",
	DeviceOrigin:         "요청한 곳", DeviceFrom: "IP 주소", DeviceKind: "기기", DeviceWhen: "요청 시간", Ago: agoKorean,
	DeviceAllowedTitle: "기기를 연결했어요", DeviceDeniedTitle: "기기를 연결하지 않았어요", DeviceDeniedIntro: "기기에 접근 권한을 주지 않았어요. 이 페이지를 닫아도 돼요.",
	DeviceAllowedIntro: func(app string) string {
		return "기기에서 " + app + " 앱을 계속 사용하세요. 이 페이지를 닫아도 돼요."
	},
	FormPostTitle: "앱으로 돌아가는 중이에요", FormPostIntro: "화면이 바뀌지 않으면 버튼을 눌러 주세요.",
	LoggedOutTitle: "로그아웃됐어요", LoggedOutIntro: "다음에 또 만나요.", LoggedOutNext: "계속하기", LogInNow: "다시 로그인",
	CannotLogOutTitle: "로그아웃할 수 없어요", CannotLogOutIntro: "앱이 보낸 요청을 신뢰할 수 없어서 아무것도 바꾸지 않았어요. 내 계정에서 로그아웃할 수 있어요.",

	ErrorReturn: "앱이 처리할 수 없는 요청을 보냈어요. 마루에서 확인하지 않은 앱이라 바로 이동하지 않고 먼저 물어봐요.", ErrorReturnButton: "앱으로 돌아가기",
	AlreadyTitle: "이미 로그인했어요", AlreadyIntro: "이 로그인은 완료됐어요. 앱으로 돌아가 계속하세요.",
	TokensLast: func(most time.Duration) string {
		return fmt.Sprintf("방금 연결이 끊긴 앱도 이미 받은 권한은 최대 %d분 동안 쓸 수 있어요.", ceilMinutes(most))
	},
	ExpiredTitle: "만료된 로그인이에요", ExpiredIntro: "이미 끝났거나, 시간이 지났거나, 다른 브라우저에서 시작한 로그인이에요. 이용하던 앱으로 돌아가 다시 로그인해 주세요.",
	NotFoundTitle: "페이지를 찾을 수 없어요", NotFoundIntro: "주소가 잘못되었거나 더 이상 쓰지 않는 페이지예요.",
	ErrorTitle: "요청을 처리하지 못했어요", ErrorApp: "이용하던 앱으로 돌아가 다시 시도해 주세요. 같은 문제가 반복되면 앱 운영자에게 아래 내용을 알려 주세요.",
	ErrorServer:        "일시적인 오류가 발생했어요. 잠시 뒤 다시 시도해 주세요.",
	ErrorForDevelopers: "앱 개발자를 위한 정보",
	ErrorCode:          "오류", ErrorDetail: "설명", RequestID: "요청 번호", BackToAccount: "내 계정으로",

	Problems: map[Problem]string{
		WrongCredentials:   "이메일 주소나 비밀번호가 맞지 않아요.",
		Busy:               "지금 로그인하는 사람이 많아요. 몇 초 뒤 다시 시도해 주세요.",
		NeedsCookies:       "브라우저가 쿠키를 보내지 않았어요. 이 사이트의 쿠키를 허용하고 다시 시도해 주세요.",
		EmailMissing:       "이메일 주소를 입력해 주세요.",
		EmailInvalid:       "이메일 주소 형식이 아니에요.",
		EmailTaken:         "이 주소로는 가입할 수 없어요. 본인의 주소이고 이미 가입했다면 로그인해 주세요.",
		NameMissing:        "이름을 입력해 주세요.",
		NameTooLong:        "100자까지 쓸 수 있어요.",
		NameInvalid:        "글자, 숫자, 공백, 문장 부호만 쓸 수 있어요.",
		PasswordMissing:    "비밀번호를 입력해 주세요.",
		PasswordWrong:      "현재 비밀번호가 일치하지 않아요.",
		PasswordSame:       "현재와 다른 비밀번호를 입력해 주세요.",
		PasswordTooShort:   "8자 이상 입력해 주세요.",
		PasswordTooLong:    "128자까지 쓸 수 있어요.",
		PasswordPersonal:   "이름이나 이메일 주소와 너무 비슷해요.",
		PasswordCommon:     "많은 사람이 쓰는 비밀번호나 단어가 들어 있어요.",
		PasswordKeyboard:   "키보드에서 나란히 있는 글자라 쉽게 추측할 수 있어요.",
		PasswordRepeats:    "반복되거나 차례로 이어져서 쉽게 추측할 수 있어요.",
		PasswordDigits:     "전화번호나 생일처럼 숫자만 쓰면 쉽게 추측할 수 있어요.",
		PasswordDate:       "날짜나 다름없어서 쉽게 추측할 수 있어요.",
		PasswordGuessable:  "쉽게 추측할 수 있어요. 단어를 더해 길게 만들어 주세요.",
		NothingChosen:      "하나 이상 고르거나 취소해 주세요.",
		DeviceCodeWrong:    "이 코드를 기다리는 기기가 없어요. 기기에 표시된 코드와 비교해 주세요. 코드는 10분 동안만 쓸 수 있어요.",
		ConsentOfSomeOther: "그사이 다른 계정으로 로그인했어요. 다시 정해 주세요.",
		ProfileChanged:     "그사이 다른 창에서 프로필을 바꿔서 아직 저장하지 않았어요. 달라진 항목에는 지금 저장된 값을 함께 표시했어요. 다시 저장하면 입력한 내용으로 바뀌어요.",
		TextTooLong:        "너무 길어요.",
		TextInvalid:        "글자, 숫자, 공백, 문장 부호만 쓸 수 있어요.",
		URLInvalid:         "https:// 또는 http://로 시작하는 웹 주소를 입력해 주세요.",
		BirthdayInvalid:    "실제로 있는 지난 날짜를 1990년 4월 23일, 1990.4.23 또는 1990처럼 입력해 주세요.",
		ZoneInvalid:        "존재하지 않는 시간대예요. 목록에서 골라 주세요.",
		LocaleInvalid:      "존재하지 않는 언어예요. 목록에서 골라 주세요.",
		PhoneInvalid:       "010-1234-5678처럼 지역 번호까지 입력하거나, +와 국가 번호로 시작하는 전화번호를 입력해 주세요.",
	},
	TooManyTries: func(wait time.Duration) string {
		return fmt.Sprintf("시도 횟수를 초과했어요. %d분 뒤에 다시 시도해 주세요.", ceilMinutes(wait))
	},
	TooManyLogins: func(wait time.Duration) string {
		return fmt.Sprintf("로그인 시도 횟수를 초과했어요. %d분 뒤에 다시 시도해 주세요.", ceilMinutes(wait))
	},
	Done: map[Done]string{
		NameChanged:     "이름을 바꿨어요.",
		PasswordChanged: "비밀번호를 바꾸고, 이 기기를 제외한 모든 기기에서 로그아웃했어요. 그 기기에서 연결한 앱의 연결도 끊겼어요. 이 기기에서 연결한 앱은 앱 탭에서 볼 수 있어요.",
		SessionEnded:    "로그아웃했어요.",
		OthersEnded:     "이 기기를 제외한 모든 기기에서 로그아웃했어요. 그 기기에서 연결한 앱의 연결도 끊겼어요. 이 기기에서 연결한 앱은 앱 탭에서 볼 수 있어요.",
		AppWithdrawn:    "앱 연결을 끊었어요. 로그아웃 알림을 받는 앱에는 로그아웃하라고 알렸어요.",
		ProfileSaved:    "프로필을 저장했어요.",
	},

	Profile: Profile{
		Title: "프로필", Intro: "모두 선택 사항이에요. 허용한 앱만 볼 수 있어요.",
		Names: "이름", About: "내 정보", Contact: "전화", Address: "주소", Web: "웹",
		Verified: "확인됨", NotGiven: "선택 안 함", NameOrder: []string{"family_name", "given_name"},
		Labels: map[string]string{
			"given_name": "이름", "family_name": "성", "middle_name": "중간 이름", "nickname": "별명", "preferred_username": "사용자 이름",
			"profile": "프로필 페이지", "picture": "사진", "website": "웹사이트",
			"gender": "성별", "birthdate": "생일", "zoneinfo": "시간대", "locale": "언어",
			"phone_number": "전화번호", "street_address": "도로명 주소", "locality": "시·군·구", "region": "시·도", "postal_code": "우편번호", "country": "나라",
			"formatted": "우편물에 쓰는 주소",
		},
		Hints: map[string]string{
			"preferred_username": "앱에서 사용자 이름으로 제안할 수 있어요.",
			"picture":            "https://로 시작하는 이미지 주소예요.",
			"birthdate":          "예: 1990년 4월 23일, 1990.4.23. 연도를 숨기려면 4월 23일, 연도만 알리려면 1990처럼 입력하세요.",
			"locale":             "앱이 이 언어로 표시될 수 있어요.",
			"phone_number":       "예: 010-1234-5678. 해외 번호는 +와 국가 번호로 시작해 주세요.",
		},
		Claims: map[string]string{
			"name":               "이름 보기",
			"given_name":         "이름(성 제외) 보기",
			"family_name":        "성 보기",
			"middle_name":        "중간 이름 보기",
			"nickname":           "별명 보기",
			"preferred_username": "사용자 이름 보기",
			"profile":            "프로필 페이지 주소 보기",
			"picture":            "사진 보기",
			"website":            "웹사이트 보기",
			"gender":             "성별 보기",
			"birthdate":          "생일 보기",
			"zoneinfo":           "시간대 보기",
			"locale":             "언어 보기",
			"updated_at":         "프로필을 마지막으로 바꾼 때 보기",
			"email":              "이메일 주소 보기",
			"phone_number":       "전화번호 보기",
			"address":            "주소 보기",
		},
		Genders: map[string]string{"": "밝히지 않음", "female": "여성", "male": "남성", "other": "기타"},
		Stored: func(value string) string {
			if value == "" {
				return "지금은 비어 있어요."
			}
			return "지금 저장된 값: " + value
		},
	},
}

func agoKorean(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return "방금"
	case d < time.Hour:
		return fmt.Sprintf("%d분 전", int(d/time.Minute))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d시간 전", int(d/time.Hour))
	}
	return fmt.Sprintf("%d일 전", int(d/(24*time.Hour)))
}
