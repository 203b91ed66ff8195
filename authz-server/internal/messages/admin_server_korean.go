package messages

var adminServerKorean = AdminServer{
	Keys: AdminKeys{
		Title: "서명 키", Intro: "토큰에 서명하고, 발급된 토큰을 검증하는 키예요.", None: "아직 키가 없어요.",
		Key: "키", Alg: "알고리즘", State: "상태", Age: "시작", Until: "종료",
		States: map[string]string{
			"next": "서명 대기", "current": "서명 중", "retired": "아직 공개됨", "kept": "갱신 토큰용", "withdrawn": "폐기됨",
		},
		Unset: "직접 교체할 때까지", Never: "–",
		Rotate: "교체", RotateTitle: "키 교체",
		RotateIntro: "새 키를 지금 공개하고, 이전 키 집합을 가진 서비스가 없어지면 새 키로 서명해요. 이전 키로 서명한 토큰은 만료될 때까지 유효해요.",
		WhichAlg:    "알고리즘", AllAlgs: "전체",
		AtOnce: "바로 새 키로 서명하기", AtOnceHint: "모르는 키를 가져오지 않는 서비스는 키 집합이 갱신될 때까지 새 토큰을 거부해요. 키가 유출됐다면 교체하지 말고 폐기해 주세요.",
		Withdraw: "폐기", WithdrawTitle: "키 폐기",
		WithdrawTells:  "다른 사람이 가졌을 수 있는 키에 사용해요. 개인 키를 삭제하고 키 집합에서 빼요. 서명 중인 키였다면 다른 키가 대신 서명해요.",
		WithdrawPeople: "이 키로 서명한 토큰은 갱신 토큰까지 몇 초 안에 모든 곳에서 거부돼요. 앱은 사용자를 다시 로그인하게 하고, 브라우저에 로그인되어 있으면 비밀번호가 필요 없어요.",
		WithdrawAll:    "되돌릴 수 없어요. 유출되지 않았다면 키를 교체해 주세요.",
	},
	Queues: AdminQueues{
		Title: "대기열", Intro: "이 서버에서 나가려고 기다리거나 포기한 것들이에요.", None: "기다리는 것이 없어요.",
		Kinds: map[string]string{"mail": "메일", "logout": "로그아웃"},
		To:    "받는 곳", What: "내용", Tries: "시도", Waits: "다음 시도", Error: "마지막 오류",
		GivenUp: "포기함", Trying: "대기 중",
		Retry: "지금 시도", Drop: "버리기", RetryAll: "포기한 것 모두 다시 시도",
		RetryTitle: "지금 시도", RetryIntro: "바로 시도하고, 실패하면 나중에 다시 시도해요.",
		DropTitle: "버리기", DropIntro: "전달하지 않아요. 받을 쪽은 알 수 없어요.",
		RetryAllTitle: "모두 다시 시도", RetryAllIntro: "이 대기열에서 포기한 것을 모두 다시 시도해요.",
		Events: "이벤트",
	},
	Streams: AdminStreams{
		Title: "이벤트 스트림", Intro: "계정에 생긴 일을 Shared Signals로 전달받는 곳이에요.", None: "이벤트 스트림이 없어요.",
		Receiver: "받는 곳", Where: "전달 방법", State: "상태", Waiting: "대기", Refused: "거부",
		Polls:   "직접 가져감",
		States:  map[string]string{"enabled": "사용 중", "paused": "일시 중지", "disabled": "중지됨"},
		Dropped: "버림", FailingSince: "실패 시작", NextTry: "다음 시도", Error: "마지막 오류",
		Events: "이벤트", Description: "설명", Created: "생성", Own: "이 서버의 서비스",
		RefusedEvents: "거부된 이벤트", NoneRefused: "없어요.",
		Event: "이벤트", Tries: "시도",
		Status: "상태 변경", StatusTitle: "스트림 상태",
		StatusIntro: "일시 중지하면 이벤트를 보관하고, 중지하면 버려요. 받는 곳에 알려요.",
		Words:       "받는 곳에 전할 말", WordsHint: "받는 곳에서 읽어요.",
		Retry: "지금 다시 시도", RetryTitle: "지금 다시 시도", RetryIntro: "거부되어 포기한 이벤트를 다시 보내고, 응답하지 않는 곳에도 바로 시도해요.",
		Delete: "삭제", DeleteTitle: "스트림 삭제", DeleteIntro: "더 이상 이벤트를 보내지 않고, 기다리던 이벤트는 버려요. 되돌릴 수 없어요.",
	},
	Throttles: AdminThrottles{
		Title: "제한", Intro: "실패가 많아서 느려진 곳이에요.",
		Address: "네트워크 주소", AddressHint: "예: 203.0.113.7, 2001:db8::1",
		Of:      func(address string) string { return address + "에 적용되는 제한" },
		Nothing: "없어요.",
		What:    "대상", Under: "기준", Count: "횟수", Last: "마지막",
		Whats: map[string]string{
			"log-ins": "로그인", "second steps": "2단계 인증", "second steps in known browsers": "알려진 브라우저의 2단계 인증",
			"codes of letters": "메일 코드", "codes and links of letters": "메일 코드와 링크", "codes of devices": "기기 코드",
			"invitations": "초대", "passkeys": "패스키", "present passwords": "현재 비밀번호", "sign-ups": "가입", "letters": "메일",
			"ceremonies of passkeys": "패스키 시작", "tries": "시도",
		},
		Failures: "최근 실패", FailuresIntro: "최근 15분 동안의 기록이에요. 계정 이름은 해시예요.", NoFailures: "없어요.",
		Lift: "해제", LiftTitle: "주소 제한 해제", LiftIntro: "이 주소와 주소가 속한 네트워크의 기록을 지워요. 그곳에서 추측하던 사람도 계속 시도할 수 있게 돼요.",
	},
	Tokens: AdminTokens{
		Title: "등록 토큰", Intro: "초기 액세스 토큰이 있으면 다른 사람이 직접 앱을 등록할 수 있어요(RFC 7591). 그 앱은 직접 등록한 것과 같아요.", None: "쓸 수 있는 토큰이 없어요.",
		Note: "메모", Left: "남은 횟수", Made: "생성", Ends: "만료",
		New: "새 토큰", NewTitle: "새 등록 토큰", NewIntro: "이 토큰을 가진 사람은 앱을 등록할 수 있고, 직접 등록한 앱처럼 신뢰돼요.", NoteHint: "직접 알아보기 위한 메모예요.",
		Uses: "횟수", UsesHint: "등록할 수 있는 앱 수예요.", Lifetime: "유효 기간",
		Lifetimes: map[string]string{"1h": "1시간", "24h": "하루", "168h": "일주일", "720h": "30일", "8760h": "1년"},
		Create:    "토큰 만들기", MadeTitle: "등록 토큰", MadeIntro: "앱을 등록할 사람에게 전해 주세요. 지금 복사해 주세요. 다시 보여 드리지 않아요.", Token: "초기 액세스 토큰",
		Withdraw: "폐기", WithdrawTitle: "토큰 폐기", WithdrawIntro: "더 이상 앱을 등록할 수 없어요. 이미 등록한 앱은 그대로예요.",
	},
	Settings: AdminSettings{
		Title: "설정", Intro: "응답한 프로세스에 적용된 설정이에요. 비밀이거나 비밀이 들어 있을 수 있는 값은 보이지 않아요. 설정은 서버를 시작하는 곳에서 바꿔요.",
		Name: "설정", Value: "값",
		Hidden: "설정됨(표시하지 않음)", Unset: "설정 안 됨", Default: "–",
	},
	Upstreams: AdminUpstreams{
		Title: "외부 로그인", Intro: "다른 서비스 계정으로 로그인할 수 있게 해요.", None: "없어요. authz-server upstream create 명령으로 추가할 수 있어요.",
		Name: "이름", Provider: "발급자", State: "상태", Redirect: "그쪽에 등록할 리디렉션 URI",
		On: "사용 중", Off: "중지됨",
	},
}

var adminServerKoreanProblems = map[Problem]string{
	AdminAddressWrong:  "203.0.113.7이나 2001:db8::1 같은 네트워크 주소를 적어 주세요.",
	AdminKeyPending:    "이미 다음 키가 기다리고 있어요. 바로 서명하게 하려면 상자를 선택해 주세요.",
	AdminKeyUnknown:    "그런 키가 없어요.",
	AdminStreamService: "--data-services의 서비스를 위한 스트림이라, 삭제해도 다시 만들어져요.",
	AdminUsesWrong:     "1부터 100,000까지의 숫자를 적어 주세요.",
	AdminNoteLong:      "메모는 255바이트까지 적을 수 있어요.",
}

var adminServerKoreanDone = map[string]string{
	"keys_rotated": "키를 교체했어요.", "key_withdrawn": "키를 폐기했어요.",
	"retried": "다시 시도해요.", "dropped": "버렸어요.",
	"stream_changed": "스트림을 변경했어요.", "stream_deleted": "스트림을 삭제했어요.",
	"lifted": "주소의 제한을 해제했어요.", "token_withdrawn": "토큰을 폐기했어요.",
}
