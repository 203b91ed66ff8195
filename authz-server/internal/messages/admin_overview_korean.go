package messages

import (
	"fmt"
	"time"
)

var adminOverviewKorean = AdminOverview{
	Title: "개요", AttentionTitle: "확인이 필요해요", AllWell: "확인할 일이 없어요.",
	Attention: map[string]string{
		"queue_failing":    "전송을 포기한 건이 있어요",
		"queue_late":       "전송이 늦어지고 있어요",
		"stream_failing":   "이벤트를 받는 서버가 응답하지 않아요",
		"stream_stopped":   "이벤트 스트림이 멈춰 있어요",
		"key_old":          "서명 키를 바꿀 때가 지났어요",
		"key_missing":      "서명할 키가 없는 알고리즘이 있어요",
		"clock_wrong":      "시계가 맞지 않아요",
		"log_late":         "감사 기록이 밀리고 있어요",
		"guessing":         "누군가 비밀번호나 코드를 추측하고 있어요",
		"client_hammered":  "앱의 토큰 요청이 계속 거부되고 있어요",
		"no_administrator": "로그인할 수 있는 관리자가 없어요",
	},
	AttentionDo: map[string]string{
		"queue_failing":    "실패한 원인을 찾아 고친 뒤 다시 시도해 주세요.",
		"queue_late":       "서버가 실행 중인지, 받는 쪽이 응답하는지 확인해 주세요.",
		"stream_failing":   "받는 서버의 운영자에게 알려 주세요. 그동안 이벤트는 기다리지만, 결국 오래된 것부터 버려져요.",
		"stream_stopped":   "다시 시작하거나, 아무도 쓰지 않으면 삭제해 주세요.",
		"key_old":          "키를 교체해 주세요.",
		"key_missing":      "서버를 다시 시작하거나 키를 교체해 주세요.",
		"clock_wrong":      "NTP로 서버 시계를 맞춰 주세요. 시계가 틀리면 토큰이 거부되거나 너무 오래 유효해요.",
		"log_late":         "서버가 실행 중인지 확인해 주세요. 기록의 순서는 서버가 매겨요.",
		"guessing":         "시도 제한이 막고 있어요. 계속되면 게이트웨이에서 해당 네트워크를 차단해 주세요.",
		"client_hammered":  "앱이 오래된 코드나 토큰을 계속 쓰고 있는지 앱 운영자에게 확인해 주세요. 앱이 보낸 요청이 아니라면 비밀 값을 새로 만들어 주세요.",
		"no_administrator": "관리자를 지정하거나 authz-server bootstrap-admin 명령을 실행해 주세요.",
	},
	Since: "시작:", Times: func(n string) string { return n + "회" }, Look: "살펴보기",

	ChartsTitle: "이용 현황", Day: "최근 24시간", Month: "최근 31일",
	Charts: map[string]string{"logins": "로그인", "signups": "가입", "tokens": "토큰 발급"},
	Series: map[string]string{"logins": "성공", "failures": "거부 또는 보류", "signups": "가입", "tokens": "토큰을 받은 요청"},
	ChartText: func(total, most, when string) string {
		return "모두 " + total + "건이에요. 가장 많은 때는 " + when + ", " + most + "건이에요."
	},
	Quiet:   "이 기간에는 기록이 없어요.",
	AsTable: "표로 보기", When: "시각",
	HourOf: func(at time.Time) string {
		return fmt.Sprintf("%d월 %d일 %d시", int(at.Month()), at.Day(), at.Hour())
	},
	DayOf: func(at time.Time) string { return fmt.Sprintf("%d월 %d일", int(at.Month()), at.Day()) },
	Zone:  "그래프의 시각은 UTC 기준이에요.",
}
