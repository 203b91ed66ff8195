package messages

var recoveryKorean = Recovery{
	ForgotLink:    "비밀번호를 잊으셨나요?",
	ForgotTitle:   "비밀번호 찾기",
	ForgotIntro:   "계정의 이메일 주소를 입력해 주세요. 비밀번호를 재설정할 수 있는 링크와 인증번호를 보내 드려요.",
	SendButton:    "메일 받기",
	ForgotLogin:   "비밀번호가 기억났나요?",
	NoMailTitle:   "메일을 보낼 수 없어요",
	NoMailIntro:   "지금 이용하는 {brand}에서는 메일을 보내지 않아요. 운영자에게 문의하면 비밀번호를 재설정할 수 있는 링크를 받을 수 있어요.",
	NoMailSupport: "문의하기:",

	SentTitle: "메일을 확인해 주세요",
	Sent: func(email string) string {
		return email + " 주소로 메일을 보냈어요. 메일의 링크를 열거나 인증번호를 여기에 입력해 주세요."
	},
	SentReset: func(email string) string {
		return email + " 주소로 가입한 계정이 있으면 메일이 곧 도착해요. 메일의 링크를 열거나 인증번호를 여기에 입력해 주세요."
	},
	Code:        "인증번호",
	CodeHint:    "숫자 6자리예요. 이 브라우저에서 30분 동안만 쓸 수 있어요.",
	CodeButton:  "계속",
	AgainIntro:  "메일이 오지 않았나요? 스팸함도 확인해 주세요.",
	AgainButton: "다시 보내기",
	SentAgain:   "메일을 다시 보냈어요. 이전 메일의 인증번호는 더 이상 쓸 수 없어요.",
	StartAgain:  "다른 주소 사용",

	VerifyTitle: "이메일 주소 확인",
	VerifySignup: func(email string) string {
		return email + " 주소가 본인의 주소라면 확인을 눌러 주세요. 계정이 바로 만들어져요."
	},
	VerifyOther: func(name, email string) string {
		return "다른 브라우저에서 ‘" + name + "’ 이름과 " + email + " 주소로 가입을 신청했어요. 본인이라면 그때 정한 비밀번호를 입력해 주세요."
	},
	VerifyPassword:     "비밀번호",
	VerifyPasswordHint: "가입할 때 정한 비밀번호예요.",
	VerifyAddress: func(email string) string {
		return email + " 주소가 본인의 주소라면 확인을 눌러 주세요. 계정의 이메일 주소가 이 주소로 바뀌어요."
	},
	VerifyLogin:   "확인하려면 먼저 계정에 로그인해 주세요.",
	VerifyButton:  "확인",
	NotMineIntro:  "가입한 적이 없다면 신청을 취소해 주세요. 계정은 만들어지지 않아요.",
	NotMineButton: "가입한 적 없어요",

	ResetTitle:  "비밀번호 재설정",
	ResetButton: "비밀번호 저장",
	ResetIntro:  func(email string) string { return email + " 계정의 새 비밀번호를 입력해 주세요." },
	ResetEnds:   "저장하면 모든 기기에서 로그아웃돼요. 새 비밀번호로 다시 로그인해 주세요.",

	GoneTitle:    "더 이상 쓸 수 없는 링크예요",
	GoneIntro:    "링크는 30분 안에 한 번만 쓸 수 있고, 비밀번호를 바꾼 뒤에는 쓸 수 없어요. 브라우저의 쿠키도 허용되어 있어야 해요.",
	GoneForgot:   "새 링크 받기",
	GoneSignup:   "회원가입",
	DroppedTitle: "가입 신청을 취소했어요",
	DroppedIntro: "알려 주셔서 고마워요. 이 주소로 만들어진 계정은 없어요.",
	TakenTitle:   "이미 계정이 있는 주소예요",
	TakenIntro: func(email string) string {
		return email + " 주소로 가입한 계정이 이미 있어요. 본인 계정이라면 로그인하거나 비밀번호를 재설정해 주세요."
	},

	EmailTitle:    "이메일 주소",
	EmailIntro:    "로그인할 때 쓰고 안내 메일을 받는 주소예요. 새 주소로 보내는 메일에서 확인을 마치면 주소가 바뀌어요.",
	NewEmail:      "새 이메일 주소",
	EmailButton:   "확인 메일 보내기",
	Verified:      "확인됨",
	Unverified:    "확인되지 않음",
	ChangeLink:    "변경",
	ConfirmButton: "이 주소 확인하기",
	ConfirmIntro:  "아직 확인되지 않은 주소예요. 확인해 두면 비밀번호를 잊어도 계정을 되찾을 수 있어요.",
}
