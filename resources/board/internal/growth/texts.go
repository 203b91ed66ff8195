package main

import (
	"math/rand/v2"
	"strings"
)

// What is searched for.
const (
	common       = "kamora"  // in every third post
	middling     = "velutin" // in one of fifty
	commonKorean = "마루"      // in every fourth post
	rare         = "zyxquiz" // in rarePosts, however many there are
	rareKorean   = "훈민정음"
	nowhere      = "qqxjwz"

	rarePosts = 20
)

// The syllables of which words are made. They have none of the letters of rare and nowhere.
var (
	syllables = strings.Fields("ba be bi bo ca co da de di do fa fe fi fo ga go ha he hi ho la le li lo ma me mi mo na ne ni no pa pe po ra re ri ro " +
		"sa se si so ta te ti to van ver vin")
	koreanSyllables = strings.Fields("가 나 다 라 마 바 사 아 자 하 고 노 도 로 모 보 소 오 조 호 기 니 디 리 미 비 시 이 지 히 대 해 내 배 세 게 수 구 무 우 " +
		"산 강 물 불 꽃 날 말 길 집 밥 책 문 눈 손 발 봄 달 별 일 간")
	particles = strings.Fields("은 는 이 가 을 를 에 에서 으로 의")
)

// words returns n words, of which half or so are Korean. Some are frequent, and most are not.
func words(r *rand.Rand, n int) string {
	var text strings.Builder
	for k := range n {
		if k > 0 {
			text.WriteByte(' ')
		}
		word := int(r.Float64() * r.Float64() * r.Float64() * 20000)
		if r.IntN(2) == 0 {
			text.WriteString(koreanSyllables[word%len(koreanSyllables)])
			text.WriteString(koreanSyllables[word/len(koreanSyllables)*7%len(koreanSyllables)])
			text.WriteString(particles[r.IntN(len(particles))])
			continue
		}
		for rest := word + 1; rest > 0; rest /= len(syllables) {
			text.WriteString(syllables[rest%len(syllables)])
		}
	}
	return text.String()
}

// texts are the title and the body of post i. Most are short.
func (f *fill) texts(i int, r *rand.Rand) (title, body string) {
	n := 2 + r.IntN(6)
	if i%20 == 9 {
		n = 60
	}
	title, body = words(r, 2+r.IntN(3)), words(r, n)
	if r.IntN(3) == 0 {
		body += " " + common
	}
	if r.IntN(50) == 0 {
		body += " " + middling
	}
	if r.IntN(4) == 0 {
		title += " " + commonKorean + "에서"
	}
	if every := max(f.posts/rarePosts, 1); i%every == every/2 && i/every < rarePosts {
		body += ", " + strings.ToUpper(rare) + "! " + rareKorean + "을"
	}
	return title, body
}
