package messages

import (
	"fmt"
	"time"
)

var mailKorean = Mail{
	Hello:     "안녕하세요.",
	HelloName: func(name string) string { return "안녕하세요, " + name + " 님." },

	Address:     "버튼이 눌리지 않으면 아래 주소를 열어 주세요.",
	Code:        "다른 기기에서 진행 중이라면 화면에 이 인증번호를 입력해 주세요.",
	CodeWarning: "이 인증번호를 누구에게도 알려 주지 마세요. 전화, 메일, 채팅으로 인증번호를 묻는 일은 없어요.",
	Valid: func(d time.Duration) string {
		return fmt.Sprintf("링크와 인증번호는 %d분 안에 한 번만 쓸 수 있어요.", ceilMinutes(d))
	},
	Once: "이 링크는 한 번만 쓸 수 있어요.",

	Account:    "계정",
	Device:     "기기",
	From:       "IP 주소",
	At:         "시간",
	NewAddress: "새 주소",
	DeletedAt:  "삭제 예정",
	Note:       "함께 보낸 메모",

	SecurityButton: "내 계정 확인하기",
	Support:        func(contact string) string { return "도움이 필요하면 여기로 문의해 주세요: " + contact },
	Automatic:      "{brand}에서 자동으로 보낸 메일이에요. 답장은 확인하지 않아요.",

	ConfirmSignup: Request{
		Notice: Notice{
			Subject: "{brand} 이메일 주소를 확인해 주세요",
			Text:    "본인의 이메일 주소인지 확인하면 {brand} 가입이 끝나요.",
			NotYou:  "가입하지 않았다면 이 메일을 무시하세요. 확인하지 않으면 아무도 이 주소를 사용할 수 없어요.",
		},
		Button: "이메일 주소 확인하기",
	},
	AddressHasAccount: Request{
		Notice: Notice{
			Subject: "이미 {brand} 계정이 있어요",
			Text:    "누군가 이 주소로 {brand} 가입을 시도했어요. 본인이라면 이미 가입한 주소이니 바로 로그인해 주세요.",
			NotYou:  "가입을 시도한 적이 없다면 이 메일을 무시하세요. 아무도 내 계정에 들어오지 않았고, 바뀐 것도 없어요.",
		},
		Button: "로그인하기",
	},
	Forgot: "비밀번호를 잊었다면 여기에서 재설정할 수 있어요.",
	ConfirmAddress: Request{
		Notice: Notice{
			Subject: "{brand}에서 사용할 새 이메일 주소를 확인해 주세요",
			Text:    "본인의 이메일 주소인지 확인하면 {brand} 계정의 주소가 이 주소로 바뀌어요.",
			NotYou:  "요청하지 않았다면 이 메일을 무시하세요. 아무것도 바뀌지 않아요. 다른 사람이 주소를 잘못 입력했을 수 있어요.",
		},
		Button: "이메일 주소 확인하기",
	},
	AddressChanged: Notice{
		Subject: "{brand} 계정의 이메일 주소가 바뀌었어요",
		Text:    "{brand} 계정의 이메일 주소를 바꿨어요. 이제 새 주소로 로그인하고, 메일도 새 주소로 받아요.",
		NotYou:  "직접 바꾸지 않았다면 다른 사람이 내 계정에 들어왔을 수 있어요. {brand} 운영자에게 바로 알려 주세요.",
	},
	ResetPassword: Request{
		Notice: Notice{
			Subject: "{brand} 비밀번호 재설정",
			Text:    "{brand} 계정의 비밀번호 재설정을 요청했어요. 지금 새 비밀번호를 정해 주세요.",
			NotYou:  "요청하지 않았다면 이 메일을 무시하세요. 비밀번호는 그대로예요.",
		},
		Button: "비밀번호 재설정하기",
	},
	NewDevice: Notice{
		Subject: "새 기기에서 {brand} 계정에 로그인했어요",
		Text:    "처음 보는 기기에서 {brand} 계정에 로그인했어요. 본인이라면 아무것도 하지 않아도 돼요.",
		NotYou:  "본인이 아니라면 바로 비밀번호를 바꾸고, 모르는 기기를 로그아웃해 주세요.",
	},
	Changes: map[Change]string{
		ChangedPassword:   "비밀번호를 바꿨어요",
		ResetPassword:     "비밀번호를 재설정했어요",
		PasskeyAdded:      "패스키를 추가했어요",
		PasskeyRemoved:    "패스키를 삭제했어요",
		PasskeyCloned:     "복제되었을 수 있는 패스키를 막았어요",
		SecondStepOn:      "2단계 인증을 켰어요",
		SecondStepOff:     "2단계 인증을 껐어요",
		RecoveryCodesMade: "복구 코드를 새로 만들었어요. 이전 코드는 이제 쓸 수 없어요",
		RecoveryCodeUsed:  "복구 코드로 로그인했어요",
		BrowserTrusted:    "신뢰하는 브라우저를 추가했어요. 30일 동안 2단계 인증을 건너뛰어요",
		UpstreamAdded:     "다른 서비스의 계정으로 로그인할 수 있게 됐어요",
		UpstreamEnded:     "다른 서비스의 계정으로는 더 이상 로그인할 수 없어요",
		MadeAdministrator: "관리자가 됐어요",
		BrowsersForgotten: "신뢰하는 브라우저를 해제했어요. 이제 2단계 인증을 거쳐야 해요",
	},
	ChangeText:   "{brand} 계정의 로그인 방법과 관련된 일이라 알려 드려요. 본인이라면 아무것도 하지 않아도 돼요.",
	ChangeNotYou: "본인이 아니라면 다른 사람이 내 계정에 들어왔을 수 있어요. 바로 비밀번호를 바꾸고, 패스키와 2단계 인증, 로그인 기기를 확인해 주세요.",
	ClonedText:   "누군가 {brand} 계정의 패스키를 사용했지만, 사용 횟수가 이전보다 적어서 막았어요. 패스키가 복제되었을 때 생기는 일이에요.",
	ClonedNotYou: "이유를 모르겠다면 이 패스키를 계정에서 삭제해 주세요. 패스키를 보관하는 앱을 복원한 뒤에 이런 일이 생기기도 해요.",
	DeletionScheduled: Request{
		Notice: Notice{
			Subject: "{brand} 계정이 곧 삭제돼요",
			Text:    "요청한 대로 {brand} 계정과 그 안의 모든 정보를 삭제할 예정이에요. 그 전까지는 취소할 수 있어요.",
			NotYou:  "요청하지 않았다면 삭제를 취소하고, 바로 비밀번호를 바꿔 주세요.",
		},
		Button: "삭제 취소하기",
	},
	DeletionCancelled: Notice{
		Subject: "{brand} 계정 삭제를 취소했어요",
		Text:    "{brand} 계정을 삭제하지 않아요. 모든 정보가 그대로 있어요.",
		NotYou:  "직접 취소하지 않았다면 바로 비밀번호를 바꾸고, 모르는 기기를 로그아웃해 주세요.",
	},
	AccountDeleted: Notice{
		Subject: "{brand} 계정을 삭제했어요",
		Text:    "{brand} 계정을 삭제했어요. 이 계정으로 보내는 마지막 메일이에요. 그동안 함께해 주셔서 고마워요.",
		NotYou:  "요청하지 않았다면 {brand} 운영자에게 알려 주세요.",
	},
	Invitation: Request{
		Notice: Notice{
			Subject: "{brand}에 초대받았어요",
			Text:    "{brand}에 초대받았어요. 지금 계정을 만들 수 있어요.",
			NotYou:  "누가 초대했는지 모르겠다면 이 메일을 무시하세요. 직접 가입하지 않으면 계정이 만들어지지 않아요.",
		},
		Button: "초대 수락하기",
	},
	AccountMade: Request{
		Notice: Notice{
			Subject: "{brand} 계정이 만들어졌어요",
			Text:    "{brand} 계정이 만들어졌어요. 7일 안에 비밀번호를 정하면 사용할 수 있어요.",
			NotYou:  "누가 만들었는지 모르겠다면 이 메일을 무시하세요. 비밀번호를 정하지 않으면 아무도 계정을 쓸 수 없어요.",
		},
		Button: "비밀번호 정하기",
	},
	NewAdministrator: Request{
		Notice: Notice{
			Subject: "{brand}에 새 관리자가 생겼어요",
			Text:    "아래 계정이 {brand} 관리자가 됐거나, 관리자였던 계정을 다시 사용할 수 있게 됐어요. 이제 사용자와 앱, 설정을 바꿀 수 있어요. 관리자라서 알려 드려요.",
			NotYou:  "관리자 가운데 아무도 하지 않은 일이라면 바로 이 계정에서 관리자 역할을 회수해 주세요. 어떻게 된 일인지는 감사 기록에 있어요.",
		},
		Button: "관리 페이지 열기",
	},
	Test: Notice{
		Subject: "{brand} 메일 발송 테스트",
		Text:    "이 메일이 보이면 {brand}에서 메일을 보낼 수 있어요.",
		NotYou:  "{brand} 운영자가 보냈어요. 아무것도 하지 않아도 돼요.",
	},
}
