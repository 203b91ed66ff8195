package messages

var adminResourcesKorean = AdminResources{
	Title: "API", Intro: "이 서버가 발급한 액세스 토큰을 받는 서비스예요. 서비스마다 권한 범위와 역할이 따로 있어요.", None: "아직 API가 없어요.",
	Name: "이름", ID: "대상(aud)", Scopes: "범위", Roles: "역할", Description: "설명", State: "정해진 곳",
	Stored: "여기", Settings: "서버 설정", OwnScopes: "서비스 전용 범위", Made: "생성",
	SettingsIntro: "서버 설정에 있는 API라 그곳에서만 바꿀 수 있어요.",

	New: "API 추가", NewTitle: "API 추가", NewIntro: "추가하면 바로 앱이 이 범위를 요청할 수 있어요. 서비스는 받은 토큰을 검증하고, 토큰의 aud가 이 API의 대상(aud)과 같은지 확인해야 해요.",
	NameHint: "역할에 쓰는 짧은 이름이에요. 영문 소문자로 시작해서 소문자, 숫자, _, -를 32자까지 쓸 수 있어요. 나중에 바꿀 수 없어요.", IDHint: "토큰의 aud예요. 절대 URI로 적어 주세요. 예: https://api.example.com/orders",
	ScopesHint: "한 줄에 하나씩, 예: orders:read. 다른 API와 겹칠 수 없어요.",
	Edit:       "변경", EditTitle: "API 변경", EditIntro: "이미 발급된 토큰은 만료될 때까지 그대로예요.",
	Delete: "API 삭제", DeleteIntro: "더 이상 이 API의 토큰을 발급하지 않고, 범위도 없어져요. 이미 발급된 토큰은 만료될 때까지 유효해요.",
}

var adminResourcesKoreanProblems = map[Problem]string{
	AdminResourceName:    "영문 소문자로 시작해서 소문자, 숫자, _, -를 32자까지 적어 주세요.",
	AdminResourceTaken:   "같은 이름이나 대상의 API가 있어요.",
	AdminResourceID:      "프래그먼트가 없는 절대 URI를 적어 주세요. 예: https://api.example.com/orders",
	AdminResourceScopes:  "쓸 수 없는 범위예요. 다른 API에 없는 범위를 한 줄에 하나씩 적고, 역할이 담기는 범위는 남겨 주세요.",
	AdminResourceRoles:   "이 API에 역할이 있어요. 먼저 역할을 삭제해 주세요.",
	AdminResourceSetting: "서버 설정에 있는 API라 그곳에서만 바꿀 수 있어요.",
	AdminRoleName:        "영문 소문자로 시작해서 소문자, 숫자, _, -를 32자까지 적어 주세요.",
	AdminRoleTaken:       "같은 이름의 역할이 있거나 지금 삭제되는 중이에요.",
	AdminRoleScopes:      "API의 범위를 하나 이상 선택해 주세요.",
}

var adminResourcesKoreanDone = map[string]string{
	"resource_created": "API를 추가했어요.", "resource_changed": "API를 변경했어요.", "resource_deleted": "API를 삭제했어요.",
	"role_defined": "역할을 정의했어요.",
}
