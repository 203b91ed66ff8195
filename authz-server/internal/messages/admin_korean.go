package messages

var adminKorean = Admin{
	Frame:    adminFrameKorean,
	Overview: adminOverviewKorean,
	Done:     map[string]string{"saved": "저장했어요."},
	Problems: map[Problem]string{
		AdminReasonMissing: "이유를 적어 주세요. 감사 기록에 남아요.",
		AdminReasonInvalid: "이유는 한 줄, 200자 이내로 적어 주세요.",
		AdminValue:         "이 값은 사용할 수 없어요.",
		AdminNoRight:       "이 작업을 할 권한이 없어요.",
		AdminNeedsMachine:  "서버에서 명령으로만 할 수 있어요.",
		AdminLast:          "로그인할 수 있는 관리자가 한 명도 남지 않게 돼요. 먼저 다른 사람을 관리자로 지정해 주세요.",
		AdminStale:         "그사이 다른 사람이 변경했어요. 지금 내용을 확인하고 다시 보내 주세요.",
		AdminExists:        "이미 있거나 이미 처리됐어요.",
		AdminGone:          "더 이상 없거나 이미 처리됐어요.",
		AdminLastWay:       "이 사람이 로그인할 방법이 하나도 남지 않게 돼요.",
		AdminDisabled:      "중지된 계정이에요. 먼저 다시 사용할 수 있게 해 주세요.",
		AdminNoMail:        "이 서버는 메일을 보내지 않아요.",
		AdminRoleUnknown:   "그런 역할이 없어요.",
		AdminRoleBuiltin:   "기본 역할이라 삭제할 수 없어요.",
	},
}

var adminFrameKorean = AdminFrame{
	Name: "관리", Link: "{brand} 관리자 권한이 있어요.", Open: "관리 화면 열기",
	Nav: "관리 메뉴",
	Sections: map[string]string{
		"": "개요", "users": "사용자", "groups": "그룹", "roles": "역할", "invitations": "초대",
		"clients": "앱", "resources": "API", "tokens": "등록 토큰", "upstreams": "외부 로그인",
		"keys": "키", "queues": "대기열", "streams": "이벤트 스트림", "throttles": "제한", "audit": "감사 기록", "settings": "설정",
	},
	Reason: "이유", ReasonHint: "내 이름과 함께 감사 기록에 남아요.",
	Optional: "(선택)",
	Cancel:   "취소", Back: "돌아가기", More: "다음 페이지", ToStart: "첫 페이지",
	Yes: "예", No: "아니요", None: "없음", Unknown: "알 수 없음",
	Search: "검색", All: "전체",
	Deed:       "작업",
	SetUpTitle: "추가 인증 수단이 필요해요", SetUpIntro: "{brand} 관리자는 패스키나, 비밀번호와 인증 앱을 함께 써서 로그인해야 해요. 하나를 설정하면 계속할 수 있어요.",
	SetUpApp: "인증 앱 설정하기", SetUpPasskey: "패스키 만들기",
	Once: "지금 복사해 주세요. 다시 보여 드리지 않아요.",
}
