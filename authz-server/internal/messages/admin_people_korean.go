package messages

import (
	"fmt"
	"time"
)

var adminPeopleKorean = AdminPeople{
	Title: "사용자", Search: "이름이나 주소", SearchHint: "앞부분만 입력해도 돼요.",
	Role: "역할", AnyRole: "전체", State: "상태",
	States: map[string]string{"": "전체", "disabled": "중지됨", "leaving": "삭제 예정"},
	Nobody: "찾은 사람이 없어요.", Fewer: "이 페이지에는 없어요. 다음 페이지에 더 있을 수 있어요.",
	ByGroups: "이 그룹의 구성원도 이 역할을 가지고 있어요.",
	New:      "계정 만들기", Invite: "초대하기",
	NewIntro:    "비밀번호 없는 계정이 만들어져요. 비밀번호를 정하는 메일을 보내거나, 외부 로그인을 쓰게 해 주세요.",
	InviteIntro: "링크를 연 사람이 계정을 하나 만들 수 있어요.",
	Tags: map[string]string{
		"administrator": "관리자", "disabled": "중지됨", "leaving": "삭제 예정", "unverified": "주소 미확인", "verified": "확인됨",
		"builtin": "기본",
	},
	Headings: map[string]string{
		"account": "계정", "profile": "프로필", "roles": "역할과 그룹", "login": "로그인 방법", "sessions": "로그인한 곳",
		"browsers": "로그인했던 브라우저", "consents": "허용한 앱", "grants": "권한 부여", "signup": "가입", "letters": "메일로 보낸 링크",
		"held": "시도 제한", "history": "기록",
	},
	Labels: map[string]string{
		"id": "ID", "email": "이메일 주소", "name": "이름", "account_name": "계정 이름", "created": "만든 때", "changed": "바뀐 때", "language": "언어",
		"password": "비밀번호", "second_step": "인증 앱", "passkeys": "패스키", "identities": "외부 로그인", "delete_at": "삭제되는 때",
		"verified": "본인의 주소임을 확실히 알고 있어요", "roles": "역할", "groups": "그룹", "group": "그룹", "app": "앱", "address": "네트워크 주소",
		"browser": "브라우저", "note": "메모", "expires": "유효 기간", "send": "링크를 이 주소로 보내기", "terms": "약관 동의",
		"invitation": "초대", "scopes": "할 수 있는 일", "session": "세션", "passkey": "패스키", "phone_verified": "본인의 전화번호임을 확실히 알고 있어요",
		"command": "명령", "actor": "로그인 방법", "grant": "권한 부여", "external_id": "다른 디렉터리에서의 ID", "identity": "그곳의 계정", "directory": "디렉터리", "anyway": "다른 로그인 방법이 없어도 연결 끊기: 메일로 받은 링크에서 비밀번호를 정해야 해요",
	},
	Hints: map[string]string{
		"note": "관리용 메모예요. 초대받은 사람에게는 보이지 않아요.", "email": "비워 두면 링크가 있는 누구나 쓸 수 있어요.",
		"roles":     "직접 받은 역할이에요. 그룹으로 받은 역할은 여기에 없어요.",
		"directory": "scim 범위가 있는 앱의 클라이언트 ID예요. 비워 두면 어느 디렉터리에도 맡기지 않아요.",
	},
	ByGroup: func(groups string) string { return groups + " 그룹으로 받음" },
	Left:    func(n int) string { return fmt.Sprintf("복구 코드 %d개 남음", n) },
	Earlier: func(n int) string { return fmt.Sprintf("이전 기록 %d개", n) },
	Until:   "만료:", Since: "시작:", Used: "마지막 사용:", Made: "만든 때:", NeverUsed: "아직 사용하지 않음",
	Tries:    func(n int) string { return fmt.Sprintf("%d회 시도", n) },
	Purposes: map[string]string{"signup": "가입", "address": "새 주소", "reset": "새 비밀번호"},
	Trusted:  "2단계 인증을 대신함", Revoked: "끝난 때:", Offline: "세션이 끝나도 유지됨",
	Viewed: "이 페이지를 본 것이 감사 기록에 남아요.",

	Deeds: map[string]string{
		"disable": "계정 중지", "enable": "계정 다시 사용", "roles": "역할 변경", "join": "그룹에 추가", "leave": "그룹에서 제외", "entrust": "디렉터리에 맡기기",
		"sessions": "모든 세션 끝내기", "session": "세션 끝내기", "factors": "인증 앱 제거", "passkey": "패스키 제거", "unlink": "외부 계정 연결 끊기",
		"reset_mail": "비밀번호 재설정 메일 보내기", "reset_link": "비밀번호 재설정 링크", "unlock": "로그인 제한 풀기",
		"profile": "프로필 수정", "email": "주소 변경", "grant": "권한 부여 끝내기", "consent": "동의 철회",
		"delete": "계정 삭제", "keep": "계정 유지",
	},
	DeedIntros: map[string]string{
		"disable":    "아무도 이 계정으로 로그인할 수 없게 돼요. 모든 세션이 끝나고, 앱이 받은 권한도 사라져요. 토큰을 직접 확인하는 서비스에는 1분 안에 반영돼요. 나중에 다시 사용하게 할 수 있어요.",
		"enable":     "다시 로그인할 수 있어요. 앱이 가졌던 권한은 되돌아오지 않아요.",
		"roles":      "회수하는 역할이 담긴 토큰은 폐기돼요.",
		"join":       "그룹이 가진 역할을 받게 돼요.",
		"leave":      "그룹으로 받은 역할을 잃고, 그 역할이 담긴 토큰은 폐기돼요.",
		"entrust":    "디렉터리는 맡은 것을 바꾸고 삭제할 수 있어요. 계정의 주소를 바꿀 수도 있는데, 그러면 그 주소로 비밀번호를 새로 정할 수 있어요. 전에 맡았던 디렉터리는 더 이상 바꿀 수 없어요.",
		"sessions":   "모든 곳에서 로그아웃되고, 그 세션에서 앱이 받은 권한도 사라져요. 본인에게 알려요.",
		"session":    "이 브라우저에서 로그아웃되고, 거기서 앱이 받은 권한도 사라져요.",
		"factors":    "패스키가 없다면 비밀번호만으로 로그인할 수 있게 돼요. 요청한 사람이 본인임을 확실히 알 때만 하세요. 본인에게 알려요.",
		"passkey":    "이 패스키로 로그인할 수 없게 돼요. 본인에게 알려요.",
		"unlink":     "이 외부 계정으로 더 이상 로그인할 수 없게 되고, 본인에게 알려요. 세션은 계속되니, 다른 사람이 들어왔을 수 있다면 세션도 끝내 주세요.",
		"reset_mail": "새 비밀번호를 정하는 링크를 메일로 받아요. 링크는 한 번만 쓸 수 있어요.",
		"reset_link": "이런 링크가 있으면 계정을 차지할 수 있어서, 서버는 웹에서 아무에게도 보여 주지 않아요. 서버를 운영하는 사람이 이 명령으로 만들 수 있어요.",
		"unlock":     "실패한 시도 기록을 지워서 바로 다시 시도할 수 있게 해요. 비밀번호를 추측하던 사람도 다시 시도할 수 있게 돼요.",
		"profile":    "본인은 바로 볼 수 있고, 앱은 다시 물어볼 때 알게 돼요.",
		"email":      "이제부터 새 주소로 로그인해요. 이전 주소로 알림 메일을 보내요.",
		"grant":      "앱이 여기서 받은 권한과 모든 토큰이 사라져요.",
		"consent":    "앱이 받은 권한이 모두 사라지고, 다음에 다시 물어봐요.",
		"delete":     "계정과 계정에 딸린 모든 것이 사라지고, 되돌릴 수 없어요.",
		"keep":       "계정을 삭제하지 않아요. 다시 로그인할 수 있어요.",
	},
	Self:           "내 계정이에요.",
	Administrators: "관리자예요.",
	Crowning: "관리자가 되는 사람은 모든 곳에서 로그아웃되고, 메일로 알림을 받아요. 패스키와 연결한 외부 계정은 그대로 남아요. " +
		"모두 본인 것인지 물어보세요.",
	DeleteWhen:  "삭제 시점",
	DeleteLater: "7일 뒤. 본인에게 알리고, 그 전에 로그인하면 계정을 유지할 수 있어요.",
	DeleteNow:   "지금. 되돌릴 수 없어요.",
	DeletePosts: "이 사람이 쓴 글도 삭제",

	Invitations: "초대", InvitationIntro: "초대 하나로 계정 하나를 만들 수 있어요. 링크는 만들 때 한 번만 보여 드려요.", NoInvitations: "초대가 없어요.",
	Lifetime: func(d time.Duration) string {
		if d >= 24*time.Hour {
			return fmt.Sprintf("%d일", int(d/(24*time.Hour)))
		}
		return fmt.Sprintf("%d시간", int(d/time.Hour))
	},
	InvitationLink: "이 링크를 초대할 사람에게 전해 주세요.", InvitationSent: "링크를 메일로 보냈어요.", Anybody: "링크가 있는 누구나",
	Withdraw: "초대 철회", WithdrawIntro: "링크를 더 이상 쓸 수 없게 돼요.",
	InvitationStates: map[string]string{"open": "사용 전", "used": "사용됨", "expired": "만료됨"},
}
