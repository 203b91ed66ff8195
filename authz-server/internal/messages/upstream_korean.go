package messages

var upstreamKorean = Upstream{
	Button: func(title string) string { return title + " 계정으로 계속하기" },

	JoinTitle:   func(title string) string { return title + " 계정으로 계속하기" },
	JoinHeading: func(title string) string { return title + " 계정으로 계속하기" },
	JoinIntro: func(title, label string) string {
		return title + "에 " + label + " 계정으로 로그인했어요. 아직 이 계정과 연결된 내 계정이 없어요."
	},
	Known: func(email string) string {
		return email + " 주소로 가입한 계정이 있어요. 그 계정으로 한 번만 로그인하면 다음부터 이 방법으로 로그인할 수 있어요."
	},
	NewHeading: "처음이신가요?",
	NewIntro:   "계정을 만들면 다음부터 한 번에 로그인할 수 있어요.",
	Proved:     "이미 확인된 주소예요. 다른 주소를 쓰려면 그 주소를 확인해야 해요.",
	NoSignup: func(title string) string {
		return title + " 계정으로는 가입할 수 없어요. 이미 있는 계정에는 연결할 수 있어요."
	},
	HaveHeading: "이미 계정이 있나요?",
	HaveIntro:   "쓰던 방법으로 로그인해 주세요. 로그인한 뒤 이 로그인 방법을 연결할지 물어볼게요.",
	HaveButton:  "내 계정으로 로그인",
	Cancel:      "취소",
	LinkHeading: func(title string) string { return "다음부터 " + title + " 계정으로 로그인할까요?" },
	LinkIntro: func(title, label, email string) string {
		return title + "에 " + label + " 계정으로 로그인하면 내 계정 " + email + "을(를) 쓸 수 있게 돼요."
	},
	LinkButton: "연결하기",
	LinkNot:    "나중에",

	LogoutToo: func(title string) string {
		return title + " 계정으로 로그인했어요. 로그아웃한 뒤 그곳에서도 로그아웃하도록 안내할게요."
	},
	LoggingOut: func(title string) string {
		return "여기서는 로그아웃됐어요. 아직 로그인되어 있는 " + title + "에서도 로그아웃하도록 이동할게요."
	},
	LoggedOut: func(title string) string {
		return "여기서 로그아웃됐고, " + title + "에서도 로그아웃하고 돌아왔어요."
	},
	LoggedInStill: func(title string) string {
		return "여기서는 로그아웃됐어요. 로그인할 때 쓴 " + title + "에는 아직 로그인되어 있을 수 있어요. 여럿이 쓰는 컴퓨터라면 그곳에서도 로그아웃해 주세요."
	},

	Title:      "다른 계정으로 로그인",
	Intro:      "{brand} 비밀번호 없이 이 계정으로 로그인할 수 있어요.",
	None:       "아직 연결한 계정이 없어요.",
	Add:        func(title string) string { return title + " 연결" },
	AddHeading: func(title string) string { return title + " 계정으로 로그인하기" },
	AddIntro: func(title string) string {
		return title + "에 로그인해 주세요. 다음부터 그 계정으로 로그인할 수 있어요."
	},
	Since:     "연결:",
	Used:      "마지막 사용:",
	Unused:    "아직 사용하지 않음",
	Off:       "지금은 쓸 수 없음",
	Remove:    "연결 끊기",
	RemoveNow: "연결 끊기",
	RemoveIntro: func(title string) string {
		return "연결을 끊으면 이 " + title + " 계정으로는 로그인할 수 없어요."
	},
}
