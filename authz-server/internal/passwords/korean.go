package passwords

import "strings"

// The keys of the Korean standard keyboard (dubeolsik) for the letters of a syllable, in Unicode's
// order.
var (
	initialKeys = []string{"r", "R", "s", "e", "E", "f", "a", "q", "Q", "t", "T", "d", "w", "W", "c", "z", "x", "v", "g"}
	vowelKeys   = []string{"k", "o", "i", "O", "j", "p", "u", "P", "h", "hk", "ho", "hl", "y", "n", "nj", "np", "nl",
		"b", "m", "ml", "l"}
	finalKeys = []string{"", "r", "R", "rt", "s", "sw", "sg", "e", "f", "fr", "fa", "fq", "ft", "fx", "fv", "fg", "a",
		"q", "qt", "t", "T", "d", "w", "c", "z", "x", "v", "g"}
	// Letters that stand alone, U+3131 to U+3163.
	letterKeys = []string{"r", "R", "rt", "s", "sw", "sg", "e", "E", "f", "fr", "fa", "fq", "ft", "fx", "fv", "fg", "a",
		"q", "Q", "qt", "t", "T", "d", "w", "W", "c", "z", "x", "v", "g",
		"k", "o", "i", "O", "j", "p", "u", "P", "h", "hk", "ho", "hl", "y", "n", "nj", "np", "nl", "b", "m", "ml", "l"}
)

// toKeys writes Hangul as the Latin keys that type it, and leaves everything else as it is.
func toKeys(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c >= 0xAC00 && c <= 0xD7A3: // Unicode §3.12: syllable = (initial × 21 + vowel) × 28 + final
			i := int(c - 0xAC00)
			b.WriteString(initialKeys[i/(21*28)])
			b.WriteString(vowelKeys[i/28%21])
			b.WriteString(finalKeys[i%28])
		case c >= 0x3131 && c <= 0x3163:
			b.WriteString(letterKeys[c-0x3131])
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// koreanKeys is koreanWords as typed on a Latin keyboard, lower-cased and without repetition; other
// scripts stay as they are.
var koreanKeys = func() []string {
	seen := make(map[string]bool)
	var keys []string
	for _, word := range strings.Fields(koreanWords) {
		key := strings.ToLower(toKeys(word))
		if len(key) >= 3 && !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	return keys
}()

// koreanWords are words that Korean speakers build passwords on, the likelier first. Most are in
// Hangul, and are typed with the keyboard in Latin mode; some are common in Roman letters.
const koreanWords = `
비밀번호 사랑해 안녕하세요 사랑 암호 비번 패스워드 관리자 안녕 나는너를사랑해 사랑합니다 대한민국 로그인 비밀 아이디
행복 행복하자 행복해 우리집 우리가족 가족 엄마 아빠 엄마아빠 여보 자기야 자기 아들 딸 공주 왕자 천사 악마 바보 멍청이 개새끼 씨발 시발 병신 존나 미친 꺼져
하나님 예수님 하느님 부처님 할렐루야 아멘 주님 교회 성경
한국 서울 부산 대구 인천 광주 대전 울산 제주 제주도 독도 한라산 백두산 남산 한강 강남 홍대 신촌 명동 경기도 강원도 충청도 전라도 경상도
무궁화 태극기 애국가 코리아 대한독립만세 만세 독립
학교 대학교 선생님 학생 공부 시험 합격 회사 사장님 부장님 과장님 대리 직장 퇴근 월급 로또 대박 부자 돈 부자되자 대박나자 성공 화이팅 파이팅 아자아자
친구 우정 남친 여친 남자친구 여자친구 결혼 첫사랑 짝사랑 이별 눈물 그리움 추억 영원히 영원 너만사랑해 널사랑해 보고싶어 보고싶다 사랑하는 내사랑 사랑아 사랑이 사랑한다 좋아해 고마워 미안해 감사합니다 감사 축하해 생일축하해
강아지 고양이 멍멍이 야옹이 나비 호랑이 사자 토끼 곰돌이 돼지 꿀꿀이 병아리 거북이 다람쥐 뽀로로 둘리 피카츄 포켓몬 도라에몽 짱구 토토로
봄 여름 가을 겨울 하늘 바다 구름 별 달 태양 햇살 바람 나무 꽃 장미 소나무 무지개 은하수 별빛 달빛 하늘나라 푸른하늘 파란하늘
빨강 파랑 노랑 초록 보라 하양 검정 분홍
사과 바나나 딸기 수박 포도 오렌지 김치 라면 떡볶이 치킨 맥주 소주 커피 콜라 초콜릿 피자 짜장면 김밥 삼겹살 아이스크림
축구 야구 농구 게임 리니지 스타크래프트 스타 메이플 메이플스토리 롤 오버워치 서든어택 배틀그라운드 던파 바람의나라 디아블로 컴퓨터 인터넷 노트북 핸드폰 전화기 카카오 카카오톡 네이버 다음 삼성 엘지 현대 애플 구글 유튜브 쿠팡 배민
김민수 김지훈 김영희 김철수 김민지 김지은 이민호 이영애 박지성 박찬호 김연아 손흥민 홍길동 이순신 세종대왕 방탄소년단 소녀시대 아이유 빅뱅 동방신기 엑소 블랙핑크 트와이스 뉴진스 유재석 강호동
민수 지훈 지은 민지 수진 은지 지영 현우 준호 성민 영수 영희 철수 미영 은정 현정 지현 서연 서준 민준 하은 지우 도윤 하준 지민 수빈 예은 유진 소영 혜진 정우 동현 승현 재현 민호
하나 하나둘셋 둘 셋 일이삼사 일이삼 가나다 가나다라 가나다라마바사 아야어여 아야어여오요 기역니은 동해물과 동해물과백두산이 나의살던고향은 산토끼 반짝반짝작은별 학교종이땡땡땡
테스트 시험용 임시 임시비번 새비번 새비밀번호 내비번 내비밀번호 모름 몰라 몰라요 까먹음 기억안남 귀찮아 뭐지 뭐야 아무거나 없음 없다 비밀이야 비밀임 열려라 열려라참깨 참깨 들어가자 문열어
ㅋㅋㅋ ㅋㅋㅋㅋ ㅎㅎㅎ ㅎㅎㅎㅎ ㅠㅠㅠ ㅇㅇㅇ ㅁㄴㅇㄹ ㅂㅈㄷㄱ ㅁㄴㅇ ㅂㅈㄷ ㅗㅑ ㅅㅂ
salanghae saranghae saranghe sarang annyeong annyong bimil bimilbunho amho hanguk korea corea daehanminguk seoul busan daegu incheon jeju dokdo maru admin root
hananim yesunim haengbok gajok eomma appa oppa unni noona hyung babo gongju wangja chingu hwaiting fighting aja gamsa
kimchi ramyun ramen soju maekju samsung hyundai naver kakao daum kakaotalk lineage starcraft maple
rlawjddms gkskgksk qwer1234 asdf1234 zxcv1234 1q2w3e4r 1q2w3e 1q2w3e4r5t q1w2e3r4 qwe123 asd123 zxc123 a123456 abc123 aaa111 wkddprud
`
