package pages

import (
	"fmt"
	"strings"
	"time"
)

// messages is everything that pages say in one language. A test holds that no field and no entry is missing in any.
type messages struct {
	Tag      string // BCP 47
	Language string // the language's name for itself
	Brand    string
	Broken   string // when not even a page can be made

	Email, Name, Password, CurrentPassword, NewPassword string
	PasswordHint                                        string
	ShowPassword, HidePassword, CapsLock                string
	Strength                                            string // four words, separated by bars, the worst first
	ErrorPrefix, CheckFields                            string // of the title, and above a form that was refused
	LanguageLabel                                       string

	LoginTitle, LoginHeading, LoginButton, NoAccount, SignupLink     string
	SignupTitle, SignupHeading, SignupButton, HaveAccount, LoginLink string
	NameHint, AccountNameHint                                        string
	LoginToContinue, SignupToContinue                                string
	AppPolicy, AppTerms                                              string
	AppUnchecked, AppFrom, AppReturn, AppKnown, AppOnDevice          string

	ConsentTitle                                                 string
	ConsentHeading                                               func(app string) string
	ConsentIntro, ConsentAlways, AllowButton, DenyButton         string
	ConsentFooter                                                string
	SignedInAs                                                   func(email string) string
	OtherAccount                                                 string
	Scopes                                                       map[string]string
	OtherScope                                                   func(name string) string
	AccountTitle, AccountHeading, AccountNav                     string
	SaveButton, EmailLabel                                       string
	PasswordTitle, PasswordIntro, PasswordButton                 string
	SessionsTitle, SessionsIntro, ThisSession                    string
	SessionUnknown, EndButton, EndOthersButton, EndOthers        string
	Device                                                       func(browser, system string) string
	LoggedIn                                                     string // a moment follows
	Moment                                                       func(at time.Time) string
	Seen                                                         func(ago time.Duration) string
	From                                                         func(address string) string
	AppsTitle, AppsIntro, AppsTab, NoApps, WithdrawButton, CanDo string
	Connected                                                    func(ago time.Duration) string
	LogoutTitle, LogoutHeading, LogoutIntro, LogoutButton        string
	LogoutAskedBy                                                func(app string) string
	StayLink                                                     string
	DeviceTitle, DeviceHeading, DeviceIntro, DeviceCode          string
	DeviceContinue                                               string
	DeviceConfirmHeading                                         func(app string) string
	DeviceCheck, DeviceWarning, DeviceOrigin                     string
	DeviceFrom, DeviceKind, DeviceWhen                           string
	Ago                                                          func(ago time.Duration) string
	DeviceAllowedTitle, DeviceDeniedTitle, DeviceDeniedIntro     string
	DeviceAllowedIntro                                           func(app string) string
	FormPostTitle, FormPostIntro                                 string
	LoggedOutTitle, LoggedOutIntro, LoggedOutNext, LogInNow      string
	CannotLogOutTitle, CannotLogOutIntro                         string
	ErrorTitle, ErrorApp, ErrorServer, ErrorForDevelopers        string
	ExpiredTitle, ExpiredIntro, NotFoundTitle, NotFoundIntro     string
	ErrorCode, ErrorDetail, RequestID, BackToAccount             string
	ErrorReturn, ErrorReturnButton                               string
	AlreadyTitle, AlreadyIntro                                   string
	TokensLast                                                   func(most time.Duration) string
	Problems                                                     map[Problem]string
	TooManyTries, TooManyLogins                                  func(wait time.Duration) string
	Done                                                         map[Done]string
	Profile                                                      profileMessages
}

// Problem is the text of a problem.
func (t *messages) Problem(p Problem, wait time.Duration) string {
	switch p {
	case TooManyTries:
		return t.TooManyTries(wait)
	case TooManyLogins:
		return t.TooManyLogins(wait)
	}
	if text, ok := t.Profile.Problems[p]; ok {
		return text
	}
	return t.Problems[p]
}

// FailureTitle says in a few words what did not work.
func (t *messages) FailureTitle(f Failure) string {
	switch {
	case f.Expired:
		return t.ExpiredTitle
	case f.Code == "not_found":
		return t.NotFoundTitle
	}
	return t.ErrorTitle
}

// FailureIntro says what a person can do about it.
func (t *messages) FailureIntro(f Failure) string {
	switch {
	case f.ServerFault:
		return t.ErrorServer
	case f.Expired:
		return t.ExpiredIntro
	case f.Code == "not_found":
		return t.NotFoundIntro
	}
	return t.ErrorApp
}

// Scope is what a scope, or another word of package consent, means to a person.
func (t *messages) Scope(name string) string {
	if text, ok := t.Scopes[name]; ok {
		return text
	}
	if claim, ok := strings.CutPrefix(name, "claims:"); ok && t.Profile.Claims[claim] != "" {
		return t.Profile.Claims[claim]
	}
	return t.OtherScope(name)
}

// ceilMinutes rounds up: whoever waits as long as the page says may then try again.
func ceilMinutes(d time.Duration) int { return int((d + time.Minute - 1) / time.Minute) }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func agoEnglish(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return "just now"
	case d < time.Hour:
		return plural(int(d/time.Minute), "minute ago", "minutes ago")
	case d < 24*time.Hour:
		return plural(int(d/time.Hour), "hour ago", "hours ago")
	}
	return plural(int(d/(24*time.Hour)), "day ago", "days ago")
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

// joined leaves out what is empty.
func joined(sep string, parts ...string) string {
	var known []string
	for _, part := range parts {
		if part != "" {
			known = append(known, part)
		}
	}
	return strings.Join(known, sep)
}

var english = messages{
	Profile: englishProfile,
	Tag:     "en", Language: "English", Brand: "Maru",
	Broken: "Something went wrong on our side. Please try again.",

	Email: "Email", Name: "Name", Password: "Password", CurrentPassword: "Current password", NewPassword: "New password",
	PasswordHint: "At least 8 characters. A few unrelated words make a good one.",
	ShowPassword: "Show", HidePassword: "Hide", CapsLock: "Caps Lock is on.", Strength: "Too short|Easy to guess|Fair|Good",
	LanguageLabel: "Language",
	ErrorPrefix:   "Error: ", CheckFields: "Please check this:",

	LoginTitle: "Log in", LoginHeading: "Log in", LoginButton: "Log in", NoAccount: "New here?", SignupLink: "Create an account",
	SignupTitle: "Sign up", SignupHeading: "Create your account", SignupButton: "Create account", HaveAccount: "Already have an account?", LoginLink: "Log in",
	NameHint:        "What people will see. You can change it at any time.",
	AccountNameHint: "The name of your account. Apps get it when you log in; an app may keep a profile name of its own, which you change there.",
	LoginToContinue: "Log in to continue", SignupToContinue: "Sign up to continue",
	AppPolicy: "Privacy policy", AppTerms: "Terms of service",
	AppUnchecked: "Nobody at Maru has checked this app or what it calls itself.", AppFrom: "It comes from", AppReturn: "It takes you back to", AppKnown: "Go on only if you know this address.",
	AppOnDevice: "It takes you back to a program on this device. Go on only if you started it yourself just now.",

	ConsentTitle:   "Allow access",
	ConsentHeading: func(app string) string { return app + " asks for access" },
	ConsentIntro:   "It would be able to:", ConsentAlways: "needed to log you in",
	AllowButton: "Allow", DenyButton: "Cancel",
	ConsentFooter: "You can take this back at any time under “Connected apps” in your account.",
	SignedInAs:    func(email string) string { return "Logged in as " + email },
	OtherAccount:  "Use another account",
	Scopes: map[string]string{
		"openid":         "Know who you are on Maru",
		"profile":        "See your name and profile",
		"email":          "See your email address",
		"address":        "See your postal address",
		"phone":          "See your phone number",
		"offline_access": "Keep this access while you are not using it",
		"user:read":      "See your profile and settings",
		"user:write":     "Change your profile and settings",
		"user:lookup":    "Look up public profiles",
		"board:read":     "Read the boards",
		"board:write":    "Write, edit and delete posts and comments as you",
		"board:moderate": "Moderate the boards as you: hide, delete, pin and lock posts",
	},
	OtherScope: func(name string) string { return name },

	AccountTitle: "Account", AccountHeading: "Your account", AccountNav: "Account pages",
	SaveButton: "Save", EmailLabel: "Email",
	PasswordTitle: "Password", PasswordIntro: "Changing it logs you out everywhere but here, and disconnects the apps that you connected in those other places.", PasswordButton: "Change password",
	SessionsTitle: "Sessions", SessionsIntro: "Where you are logged in. End those that you do not recognise, and change your password: that disconnects the apps connected there as well.",
	ThisSession: "This one", SessionUnknown: "Unknown device", EndButton: "End", EndOthersButton: "End all others", EndOthers: "Everywhere but here",
	Device:    func(browser, system string) string { return joined(" on ", browser, system) },
	LoggedIn:  "Logged in",
	Moment:    func(at time.Time) string { return at.Format("January 2, 2006 at 3:04 PM") },
	Seen:      func(ago time.Duration) string { return "last active " + agoEnglish(ago) },
	From:      func(address string) string { return "from " + address },
	AppsTitle: "Connected apps", AppsTab: "Apps", AppsIntro: "Apps that use your account.",
	NoApps:         "No app uses your account yet.",
	WithdrawButton: "Remove access", CanDo: "It can:",
	Connected: func(ago time.Duration) string { return "Connected " + agoEnglish(ago) },

	LogoutTitle: "Log out?", LogoutHeading: "Log out?", LogoutIntro: "You will have to log in again on this device.", LogoutButton: "Log out",
	LogoutAskedBy: func(app string) string { return app + " asks to log you out." },
	StayLink:      "Cancel",
	DeviceTitle:   "Connect a device", DeviceHeading: "Connect a device", DeviceIntro: "Enter the code that your device shows.", DeviceCode: "Code",
	DeviceContinue:       "Continue",
	DeviceConfirmHeading: func(app string) string { return "Connect " + app + "?" },
	DeviceCheck:          "Your device must show exactly this code:",
	DeviceWarning:        "Only go on if you started this yourself, on a device in front of you. If somebody gave you this code or link, cancel: they would get into your account.",
	DeviceOrigin:         "Where the request came from", DeviceFrom: "Address", DeviceKind: "Device", DeviceWhen: "Asked", Ago: agoEnglish,
	DeviceAllowedTitle: "Your device is connected", DeviceDeniedTitle: "Nothing was connected", DeviceDeniedIntro: "The device got no access. You can close this page.",
	DeviceAllowedIntro: func(app string) string { return "Go on with " + app + " on your device. You can close this page." },
	FormPostTitle:      "Back to the app", FormPostIntro: "If nothing happens, go on with the button.",
	LoggedOutTitle: "You are logged out", LoggedOutIntro: "See you again soon.", LoggedOutNext: "Continue", LogInNow: "Log in again",
	CannotLogOutTitle: "Cannot log you out", CannotLogOutIntro: "The app that sent you here made a request that cannot be trusted, so nothing was changed. You can log out from your account.",

	ErrorReturn: "The app that sent you here asked for something that cannot be done. Nobody at Maru has checked this app, so we do not send you on without asking.", ErrorReturnButton: "Go back to the app",
	AlreadyTitle: "You are logged in already", AlreadyIntro: "This log-in is complete. Go back to the app to go on.",
	TokensLast: func(most time.Duration) string {
		return "An app that has just lost its access can still use what it was given before, for up to " + plural(ceilMinutes(most), "minute", "minutes") + "."
	},
	ExpiredTitle: "This log-in has expired", ExpiredIntro: "It was completed, took too long, or was begun in another browser. Go back to the app that you came from, and log in from there again.",
	NotFoundTitle: "There is nothing at this address", NotFoundIntro: "The link may be wrong or out of date.",
	ErrorTitle: "That did not work", ErrorApp: "Go back to the app that you came from and try again. If it happens again, tell the people who run that app what is written below.",
	ErrorServer:        "Something went wrong on our side. Please try again in a moment.",
	ErrorForDevelopers: "For the app’s developers",
	ErrorCode:          "Error", ErrorDetail: "Detail", RequestID: "Request", BackToAccount: "To your account",

	Problems: map[Problem]string{
		WrongCredentials:   "The email address or the password is not right.",
		Busy:               "Many people are logging in just now. Please try again in a few seconds.",
		NeedsCookies:       "Your browser did not send back our cookie. Allow cookies for this site and try again.",
		EmailMissing:       "Enter your email address.",
		EmailInvalid:       "This does not look like an email address.",
		EmailTaken:         "This address cannot be used to sign up. If it is yours and you have an account, log in instead.",
		NameMissing:        "Enter a name.",
		NameTooLong:        "Use at most 100 characters.",
		NameInvalid:        "Use letters, digits, spaces and punctuation only.",
		PasswordMissing:    "Enter your password.",
		PasswordWrong:      "This is not your current password.",
		PasswordSame:       "Choose a password other than the current one.",
		PasswordTooShort:   "Use at least 8 characters.",
		PasswordTooLong:    "Use at most 128 characters.",
		PasswordPersonal:   "It is too close to your name or email address.",
		PasswordCommon:     "It is built on a password or word that many people use.",
		PasswordKeyboard:   "It follows a row of keys, which is easy to guess.",
		PasswordRepeats:    "It repeats or counts up, which is easy to guess.",
		PasswordDigits:     "Numbers alone, such as phone numbers and birthdays, are easy to guess.",
		PasswordDate:       "It is little more than a date, which is easy to guess.",
		PasswordGuessable:  "It is too easy to guess. Make it longer, for instance with another word.",
		NothingChosen:      "Choose at least one, or cancel.",
		DeviceCodeWrong:    "No device is waiting for this code. Compare it with the one on your device, which is good for 10 minutes.",
		ConsentOfSomeOther: "Another account was logged in meanwhile. Please decide again.",
	},
	TooManyTries: func(wait time.Duration) string {
		return "Too many tries. Please try again in " + plural(ceilMinutes(wait), "minute", "minutes") + "."
	},
	TooManyLogins: func(wait time.Duration) string {
		return "Too many tries to log in. Please try again in " + plural(ceilMinutes(wait), "minute", "minutes") + "."
	},
	Done: map[Done]string{
		NameChanged:     "Your name was changed.",
		PasswordChanged: "Your password was changed. All your other sessions have ended, and the apps connected in them have lost their access. Apps that you connected here are listed under Apps.",
		SessionEnded:    "The session has ended.",
		OthersEnded:     "All your other sessions have ended, and the apps connected in them have lost their access. Apps that you connected here are listed under Apps.",
		AppWithdrawn:    "The app is disconnected. If it asks for log-outs, it was told to log you out.",
		ProfileSaved:    "Your profile was saved.",
	},
}

var korean = messages{
	Profile: koreanProfile,
	Tag:     "ko", Language: "한국어", Brand: "마루",
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
}
