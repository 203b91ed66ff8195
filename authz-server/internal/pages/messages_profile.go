package pages

// profileMessages is what the page "account_profile" says.
type profileMessages struct {
	Title, Intro, Names, About, Contact, Address, Web string
	Verified, NotGiven                                string
	NameOrder                                         []string          // fields of the two chief parts of a name, as people are used to
	Labels                                            map[string]string // by field
	Hints                                             map[string]string // some fields have one
	Genders                                           map[string]string // "" is not told
	Claims                                            map[string]string // what it means to see one
	Stored                                            func(value string) string
	Problems                                          map[Problem]string
}

var englishProfile = profileMessages{
	Title: "Profile", Intro: "All of this is optional. Apps see it only if you allow them to.",
	Names: "Names", About: "About you", Contact: "Phone", Address: "Address", Web: "On the web",
	Verified: "verified", NotGiven: "Not given", NameOrder: []string{"given_name", "family_name"},
	Labels: map[string]string{
		"given_name": "First name", "family_name": "Last name", "middle_name": "Middle name", "nickname": "Nickname", "preferred_username": "Username",
		"profile": "Profile page", "picture": "Picture", "website": "Website",
		"gender": "Gender", "birthdate": "Birthday", "zoneinfo": "Time zone", "locale": "Language",
		"phone_number": "Phone number", "street_address": "Street address", "locality": "City", "region": "State or province", "postal_code": "Postal code", "country": "Country",
		"formatted": "Address as on a letter",
	},
	Hints: map[string]string{
		"preferred_username": "What apps may suggest as your username.",
		"picture":            "The address of an image that starts with https://.",
		"birthdate":          "Such as 1990-04-23 or April 23, 1990. 0000-04-23 keeps the year to yourself, 1990 the day.",
		"locale":             "The language that apps may greet you in.",
		"phone_number":       "With the country code, such as +82\u00a010\u00a01234\u00a05678, or as you dial it in your country.",
	},
	Claims: map[string]string{
		"name":               "See your name",
		"given_name":         "See your first name",
		"family_name":        "See your last name",
		"middle_name":        "See your middle name",
		"nickname":           "See your nickname",
		"preferred_username": "See your username",
		"profile":            "See the address of your profile page",
		"picture":            "See your picture",
		"website":            "See your website",
		"gender":             "See your gender",
		"birthdate":          "See your birthday",
		"zoneinfo":           "See your time zone",
		"locale":             "See your language",
		"updated_at":         "See when your profile was last changed",
		"email":              "See your email address",
		"phone_number":       "See your phone number",
		"address":            "See your postal address",
	},
	Genders: map[string]string{"": "Prefer not to say", "female": "Female", "male": "Male", "other": "Other"},
	Stored: func(value string) string {
		if value == "" {
			return "This is empty by now."
		}
		return "By now this is: " + value
	},
	Problems: map[Problem]string{
		ProfileChanged:  "Your profile was changed in another window meanwhile, so nothing was saved yet. Where it differs you see below what it is by now. Save again to replace it by what you typed.",
		TextTooLong:     "This is too long.",
		TextInvalid:     "Use letters, digits, spaces and punctuation only.",
		URLInvalid:      "Enter a web address that starts with https:// or http://.",
		BirthdayInvalid: "Enter a date that exists and is not in the future, such as 1990-04-23, 0000-04-23 or 1990.",
		ZoneInvalid:     "There is no time zone of this name. Choose one from the list.",
		LocaleInvalid:   "There is no language of this name. Choose one from the list.",
		PhoneInvalid:    "Enter the number with + and the country code, such as +82\u00a010\u00a01234\u00a05678, or choose your country below and enter it as you dial it there.",
	},
}

var koreanProfile = profileMessages{
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
	Problems: map[Problem]string{
		ProfileChanged:  "그사이 다른 창에서 프로필을 바꿔서 아직 저장하지 않았어요. 달라진 항목에는 지금 저장된 값을 함께 표시했어요. 다시 저장하면 입력한 내용으로 바뀌어요.",
		TextTooLong:     "너무 길어요.",
		TextInvalid:     "글자, 숫자, 공백, 문장 부호만 쓸 수 있어요.",
		URLInvalid:      "https:// 또는 http://로 시작하는 웹 주소를 입력해 주세요.",
		BirthdayInvalid: "실제로 있는 지난 날짜를 1990년 4월 23일, 1990.4.23 또는 1990처럼 입력해 주세요.",
		ZoneInvalid:     "존재하지 않는 시간대예요. 목록에서 골라 주세요.",
		LocaleInvalid:   "존재하지 않는 언어예요. 목록에서 골라 주세요.",
		PhoneInvalid:    "010-1234-5678처럼 지역 번호까지 입력하거나, +와 국가 번호로 시작하는 전화번호를 입력해 주세요.",
	},
}
