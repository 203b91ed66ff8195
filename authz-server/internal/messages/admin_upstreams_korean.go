package messages

var adminUpstreamsKorean = AdminUpstreams{
	Title: "외부 로그인", Intro: "다른 서비스 계정으로 로그인할 수 있게 해요.", None: "아직 없어요.",
	Name: "이름", Provider: "발급자", State: "상태", Redirect: "그쪽에 등록할 리디렉션 URI",
	On: "사용 중", Off: "중지됨",

	New: "외부 로그인 추가", NewTitle: "외부 로그인 추가", Create: "추가하기",
	Steps:  map[string]string{"provider": "어떤 서비스인가요?", "rules": "누가 로그인할 수 있나요?", "connect": "이 서버를 연결해요"},
	Preset: "서비스",
	Presets: map[string]string{
		"openid": "OpenID 제공자", "google": "Google", "apple": "Apple", "microsoft": "Microsoft", "github": "GitHub", "kakao": "카카오", "naver": "네이버",
		"oauth2": "다른 OAuth 2 제공자",
	},
	PresetHints: map[string]string{
		"openid": "발급자 주소로 연결해요. 예: Keycloak, Okta, Auth0", "oauth2": "ID 토큰이 없는 곳이에요. 주소를 모두 직접 적어요",
	},
	Register: map[string][]string{
		"openid": {"제공자에 이 서버를 웹 애플리케이션(인증 코드를 쓰는 비공개 클라이언트)으로 등록해 주세요. 클라이언트 ID와 비밀 값을 받아요."},
		"google": {"Google Cloud 콘솔의 API 및 서비스 › 사용자 인증 정보에서 웹 애플리케이션 유형의 OAuth 클라이언트 ID를 만들어 주세요."},
		"apple": {"Apple 개발자 계정에서 Sign in with Apple을 쓰는 Services ID를 만들고, 이 서버의 도메인과 아래 주소를 반환 URL로 등록해 주세요. 그 식별자가 클라이언트 ID예요.",
			"그다음 Sign in with Apple 키를 만들어 내려받아 주세요."},
		"microsoft": {"Microsoft Entra 관리 센터의 앱 등록에서 웹 플랫폼으로 애플리케이션을 등록하고, 인증서 및 암호에서 클라이언트 암호를 만들어 주세요."},
		"github":    {"GitHub의 Settings › Developer settings › OAuth Apps에서 애플리케이션을 등록해 주세요. 아래 주소를 Authorization callback URL에 적어요."},
		"kakao":     {"카카오 디벨로퍼스에서 애플리케이션을 추가하고 카카오 로그인을 켠 다음, 아래 주소를 Redirect URI로 등록해 주세요. 클라이언트 ID는 REST API 키이고, 보안 메뉴에서 Client Secret을 켜 주세요.", "동의항목에서 카카오계정(이메일)을 설정해야 이메일 주소를 받을 수 있어요."},
		"naver":     {"네이버 개발자 센터에서 네이버 로그인을 쓰는 애플리케이션을 등록하고, 아래 주소를 Callback URL로 적어 주세요."},
		"oauth2":    {"제공자에 이 서버를 웹 애플리케이션으로 등록해 주세요. 클라이언트 ID와 비밀 값을 받아요."},
	},
	RegisterTitle: "제공자에서 할 일", HandOver: "아래 주소를 글자 그대로 등록해 주세요.",
	Optional: "비워 두면 제공자의 기본값을 써요.",

	Labels: map[string]string{
		"preset": "종류", "name": "주소에 쓰는 이름", "title": "사람들에게 보이는 이름", "client_id": "클라이언트 ID", "client_secret": "클라이언트 비밀 값", "scope": "요청할 범위", "issuer": "발급자",
		"authorization_endpoint": "인가 엔드포인트", "token_endpoint": "토큰 엔드포인트", "userinfo_endpoint": "사용자 정보 엔드포인트", "emails_endpoint": "이메일 주소 엔드포인트",
		"auth_method": "이 서버의 인증 방식", "response_mode": "응답 방식", "addresses": "이메일 주소가 확인된 것으로 보는 때", "address_domains": "이 도메인의 주소만",
		"no_signup": "계정 만들기", "claims": "클레임 위치", "strong_acr": "2단계 인증을 대신하는 값", "apple": "Apple 키", "team_id": "Team ID", "key_id": "Key ID", "private_key": "개인 키",
		"redirect_uri": "리디렉션 URI", "post_logout_redirect_uri": "로그아웃 후 리디렉션 URI", "backchannel_logout_uri": "백채널 로그아웃 URI", "tenants": "이 테넌트만", "logout": "로그아웃",
	},
	Hints: map[string]string{
		"name":             "리디렉션 URI의 일부라 나중에 바꿀 수 없어요. 영문 소문자, 숫자, 하이픈만 쓸 수 있어요.",
		"title":            "로그인 버튼에 보여요(예: Google).",
		"issuer_microsoft": "한 조직만이라면 common 대신 테넌트 ID를 적고, 직장과 학교 계정 전체라면 organizations를 적어 주세요.",
		"listed":           "Google처럼 목록에 있는 서비스는 비워 두어도 돼요.",
		"issuer":           "메타데이터에 적힌 그대로, https로 시작하는 주소를 적어 주세요. 나머지는 그곳에서 읽어요.",
		"scope":            "공백으로 구분해 주세요.",
		"address_domains":  "한 줄에 하나씩, 예: example.com. 비워 두면 전체예요. 다른 도메인의 주소는 메일로 확인해요.",
		"strong_acr":       "acr나 amr 값을 한 줄에 하나씩 적어 주세요. 그곳에서 이 값으로 인증한 사람에게는 2단계 인증을 묻지 않아요. 제공자를 이 서버만큼 믿는다는 뜻이에요.",
		"claims":           "한 줄에 하나씩, 예: sub = id. 등호 뒤에는 사용자 정보 응답에서의 경로를 적어요.",
		"claims_differ":    "정해진 위치와 다를 때만 한 줄에 하나씩 적어 주세요. 예: name = profile.full_name",
		"client_secret":    "암호화해 보관하고 누구에게도 보여 주지 않아요.",
		"secret_again":     "발급자나 토큰 엔드포인트를 바꿀 때만 적어 주세요. 보관 중인 비밀 값은 다른 곳으로 보내지 않아요.",
		"private_key":      "AuthKey_….p8 파일의 내용 전체예요. 암호화해 보관하고 누구에게도 보여 주지 않아요.",
		"tenants":          "테넌트 ID를 한 줄에 하나씩 적어 주세요. 비워 두면 발급자가 뜻하는 전체예요.",
		"logout":           "여기서 로그아웃한 사람을 그곳에서도 로그아웃하게 해요",
	},
	Rules: map[string]string{"claim": "제공자가 확인됐다고 할 때", "never": "확인된 것으로 보지 않음: 여기서 메일로 확인해요", "insecure-always": "항상"},
	RuleHints: map[string]string{
		"insecure-always": "직접 운영하는 제공자이고 사용자가 주소를 마음대로 정할 수 없는 경우가 아니면 위험해요.",
	},
	Methods: map[string]string{"": "제공자가 지원하는 방식", "client_secret_basic": "client_secret_basic", "client_secret_post": "client_secret_post", "none": "none: 비밀 값 없음"},
	Signups: "이 로그인으로 계정을 만들 수 있어요",

	About: "정보", PeopleTitle: "사용자", Nobody: "아직 이 로그인을 쓰는 사람이 없어요.", SecretSet: "설정됨(표시하지 않음)", SecretNone: "없음",
	People:     func(n string) string { return n + "명이 이 로그인을 써요." },
	PeopleMany: func(n string) string { return n + "명이 넘는 사람이 이 로그인을 써요." },
	Only:       func(n string) string { return "그중 " + n + "명은 다른 로그인 방법이 없어요." },
	OnlyFirst:  "다른 로그인 방법이 없는 사람", Made: "생성", Changed: "변경",

	Edit: "변경", EditTitle: "외부 로그인 변경", EditIntro: "다음 로그인부터 적용돼요.",
	IssuerWarning: "발급자를 바꾸면 이 로그인으로 연결된 사람을 더 이상 알아볼 수 없어요.",
	Secret:        "비밀 값 교체", SecretTitle: "비밀 값 교체", SecretIntro: "다음 로그인부터 새 값을 써요. 그다음 제공자에서 이전 값을 폐기해 주세요.", SecretButton: "비밀 값 교체",
	Disable: "중지", DisableTitle: "외부 로그인 중지", DisableIntro: "버튼이 사라지고 아무도 이 로그인을 쓸 수 없어요. 연결 정보는 남아 있고, 다시 사용할 수 있어요. 이미 로그인한 세션은 계속돼요.",
	Enable: "다시 사용", EnableTitle: "외부 로그인 다시 사용", EnableIntro: "버튼이 다시 나타나고, 이 로그인을 쓸 수 있어요.",
	Delete: "삭제", DeleteTitle: "외부 로그인 삭제", DeleteIntro: "비밀 값과 함께 삭제돼요. 되돌릴 수 없어요.",
	DeleteUsed: "연결 정보가 모두 지워져요. 다시 추가하더라도 한 사람씩 새로 연결해야 해요.",
	Sure:       "쓰는 사람이 있어도 삭제하기",
	LoseWay:    func(n string) string { return n + "명이 하나뿐인 로그인 방법을 잃어요." },
	Reset:      "이메일로 받은 링크에서 비밀번호를 정해야 해요.",
}

var adminUpstreamsKoreanProblems = map[Problem]string{
	AdminUpstreamPreset:  "서비스를 선택해 주세요.",
	AdminUpstreamName:    "영문 소문자로 시작해서 소문자, 숫자, 하이픈을 32자까지 적어 주세요.",
	AdminUpstreamTaken:   "이 이름의 외부 로그인이 이미 있어요.",
	AdminUpstreamTitle:   "사람들에게 보일 이름을 한 줄, 60바이트 이내로 적어 주세요.",
	AdminUpstreamClient:  "제공자에서 받은 클라이언트 ID를 적어 주세요.",
	AdminUpstreamIssuer:  "제공자의 발급자를 적어 주세요. 공용 인터넷의 https 주소이고, 쿼리와 프래그먼트가 없어야 해요.",
	AdminUpstreamAddress: "공용 인터넷의 https 주소를 적어 주세요.",
	AdminUpstreamDomains: "example.com 같은 도메인을 한 줄에 하나씩 적어 주세요.",
	AdminUpstreamClaims:  "email = contact.address처럼 한 줄에 하나씩 적어 주세요. 쓸 수 있는 클레임은 sub, email, email_verified, name, given_name, family_name, nickname, picture, locale이고, OpenID 제공자의 sub는 바꿀 수 없어요.",
	AdminUpstreamTenants: "테넌트 ID를 한 줄에 하나씩 적어 주세요. 여러 테넌트를 뜻하는 발급자일 때만 쓸 수 있어요.",
	AdminUpstreamSecret:  "제공자에서 받은 비밀 값을 적어 주세요.",
	AdminUpstreamKey:     "BEGIN PRIVATE KEY부터 END PRIVATE KEY까지 개인 키 전체를 붙여 넣고, 두 ID를 모두 적어 주세요.",
	AdminUpstreamUsed:    "쓰는 사람이 있어요. 그래도 삭제하려면 상자를 선택해 주세요.",
	AdminUpstreamLastWay: "이 사람은 다른 로그인 방법이 없어요. 그래도 연결을 끊으려면 상자를 선택해 주세요.",
}

var adminUpstreamsKoreanDone = map[string]string{
	"upstream_created": "외부 로그인을 추가했어요. 쓰기 전에 시크릿 창에서 시험해 주세요.", "upstream_secret": "비밀 값을 교체했어요.",
	"upstream_off": "외부 로그인을 중지했어요.", "upstream_on": "외부 로그인을 다시 사용할 수 있어요.", "upstream_deleted": "외부 로그인을 삭제했어요.",
}
