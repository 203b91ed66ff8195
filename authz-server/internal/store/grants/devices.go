package grants

import (
	"context"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// DeviceCode is the request of a device for which a person decides in a browser elsewhere (RFC
// 8628).
type DeviceCode struct {
	Hash          []byte // of the device code
	UserCode      string // upper case, without separators
	ClientID      string
	Scope         []string
	Audience      []string
	KeyThumbprint string // the DPoP key that must be proved to redeem it; empty: any
	Address       string // the network address that the request came from
	UserAgent     string // and what its header said
	GrantID       string // empty until a person allows it
	Denied        bool
	Spent         bool
	Interval      time.Duration // between polls
	CreatedAt     time.Time     // set by the store
	ExpiresAt     time.Time
}

// Devices stores the requests of devices.
type Devices struct {
	db     *sqldb.DB
	now    func() time.Time
	grants *Grants // what people allow
}

// NewDevices returns the requests in db, for grants in grants.
func NewDevices(db *sqldb.DB, now func() time.Time, grants *Grants) *Devices {
	return &Devices{db, now, grants}
}

const deviceCodeColumns = `device_code_hash, user_code, client_id, scope, audience, jkt, address,
	user_agent, grant_id, denied, spent, poll_interval, created_at, expires_at`

func scanDeviceCode(found *sqldb.Row) (DeviceCode, error) {
	var d DeviceCode
	var scope, audience string
	var interval, created, expires int64
	err := found.Scan(&d.Hash, &d.UserCode, &d.ClientID, &scope, &audience, &d.KeyThumbprint,
		&d.Address, &d.UserAgent, &d.GrantID, &d.Denied, &d.Spent, &interval, &created, &expires)
	if err != nil {
		return DeviceCode{}, row.NotFound(err)
	}
	d.Scope, d.Audience = strings.Fields(scope), strings.Fields(audience)
	d.Interval = time.Duration(interval) * time.Microsecond
	d.CreatedAt, d.ExpiresAt = sqldb.Time(created), sqldb.Time(expires)
	return d, nil
}

// CreateDeviceCode stores a new request, undecided. ErrExists: the user code is taken, so try
// another one.
func (s *Devices) CreateDeviceCode(ctx context.Context, d DeviceCode) error {
	return row.Added(s.db.Exec(ctx, `INSERT INTO device_codes (device_code_hash, user_code,
		client_id, scope, audience, jkt, address, user_agent, grant_id, denied, spent, polled_at,
		poll_interval, early, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', false, false, 0, $9, false, $10, $11)
		ON CONFLICT DO NOTHING`,
		d.Hash, d.UserCode, d.ClientID, strings.Join(d.Scope, " "), strings.Join(d.Audience, " "),
		d.KeyThumbprint, d.Address, d.UserAgent,
		d.Interval.Microseconds(), sqldb.Micros(s.now()), sqldb.Micros(d.ExpiresAt)))
}

// DeviceCode returns a request by the hash of its device code, even a decided, spent or expired
// one. ErrNotFound: there is none.
func (s *Devices) DeviceCode(ctx context.Context, hash []byte) (DeviceCode, error) {
	return scanDeviceCode(s.db.QueryRow(ctx, `SELECT `+deviceCodeColumns+` FROM device_codes
		WHERE device_code_hash = $1`, hash))
}

// PendingDeviceCode returns the undecided request with this user code. ErrNotFound: there is none.
func (s *Devices) PendingDeviceCode(ctx context.Context, userCode string) (DeviceCode, error) {
	return scanDeviceCode(s.db.QueryRow(ctx, `SELECT `+deviceCodeColumns+` FROM device_codes
		WHERE user_code = $1 AND grant_id = '' AND NOT denied AND expires_at > $2`,
		userCode, sqldb.Micros(s.now())))
}

// AllowedDeviceCode returns the request with this user code that this person has allowed.
// ErrNotFound: there is none.
func (s *Devices) AllowedDeviceCode(ctx context.Context, userCode, userID string) (DeviceCode, error) {
	return scanDeviceCode(s.db.QueryRow(ctx, `SELECT `+deviceCodeColumns+` FROM device_codes
		WHERE user_code = $1 AND expires_at > $2
		AND grant_id IN (SELECT g.id FROM grants g
		WHERE g.user_id = $3 AND g.client_id = device_codes.client_id)`,
		userCode, sqldb.Micros(s.now()), userID))
}

// AllowDevice decides a pending request: its device may redeem the grant. Of several decisions one
// counts, and the others get ErrNotFound. Call it in the transaction that makes the grant, so that
// those leave no grant behind.
func (s *Devices) AllowDevice(ctx context.Context, hash []byte, grantID string) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE device_codes SET grant_id = $1
		WHERE device_code_hash = $2 AND grant_id = '' AND NOT denied AND expires_at > $3`,
		grantID, hash, sqldb.Micros(s.now())))
}

// DenyDevice decides a pending request: its device gets nothing. Of several decisions one counts,
// and the others get ErrNotFound.
func (s *Devices) DenyDevice(ctx context.Context, hash []byte) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE device_codes SET denied = true
		WHERE device_code_hash = $1 AND grant_id = '' AND NOT denied AND expires_at > $2`,
		hash, sqldb.Micros(s.now())))
}

// PollTolerance is how much too early a poll may come: a device counts from its own request, and
// networks are uneven.
const PollTolerance = 500 * time.Millisecond

// slowDown is what a poll that comes too early adds to the interval (RFC 8628 §3.5).
const slowDown = 5 * time.Second

// PollDevice notes that the device of a pending request asked. early says that it did so before the
// interval was over, which has now grown by slowDown. ErrNotFound: the request has been decided or
// has expired.
func (s *Devices) PollDevice(ctx context.Context, hash []byte) (early bool, err error) {
	now := s.now()
	err = s.db.ExecReturning(ctx, `UPDATE device_codes
		SET polled_at = $1, early = (polled_at + poll_interval > $2),
		poll_interval = CASE WHEN polled_at + poll_interval > $2
			THEN poll_interval + $3 ELSE poll_interval END
		WHERE device_code_hash = $4 AND grant_id = '' AND NOT denied AND expires_at > $1
		RETURNING early`,
		sqldb.Micros(now), sqldb.Micros(now.Add(PollTolerance)), slowDown.Microseconds(), hash).
		Scan(&early)
	return early, row.NotFound(err)
}

// RedeemDeviceCode spends a device code that a person allowed and stores the grant's first refresh
// token, unless first is nil. Of several calls one wins. No call wins if the grant has been
// revoked. The note is of the access token that the code is exchanged for.
func (s *Devices) RedeemDeviceCode(ctx context.Context, hash []byte, first *RefreshToken, note Note) (won bool, err error) {
	return s.grants.use(ctx, single{
		key: hash,
		grantOf: `(SELECT grant_id FROM device_codes
			WHERE device_code_hash = $2 AND NOT spent AND expires_at > $1)`,
		spend: `UPDATE device_codes SET spent = true
			WHERE device_code_hash = $2 AND NOT spent AND expires_at > $1`,
	}, first, note)
}

// Sweeps lists expired requests.
func (s *Devices) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "expired device codes", Keep: time.Hour, Rows: sqldb.Rows{
			Table: "device_codes", Key: "device_code_hash", Where: "expires_at < $1", Order: "expires_at"}},
	}
}
