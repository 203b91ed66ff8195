package statuslist

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/maru-auth/maru/jwks/internal/exactjson"
	"github.com/maru-auth/maru/jwks/internal/savedfile"
)

// saveEvery and savePause are how often the file is written: when lists were
// confirmed alone, and at most.
const (
	saveEvery = 15 * time.Second
	savePause = time.Second
)

// savedLists is the file's content.
type savedLists struct {
	Issuer    string      `json:"issuer"`
	Announced bool        `json:"announced"` // the issuer publishes lists
	Withdrawn []string    `json:"withdrawn_keys,omitempty"`
	Lists     []savedList `json:"lists"`
}

type savedList struct {
	URI       string    `json:"uri"`
	KeyID     string    `json:"kid"`
	Issued    time.Time `json:"iat"`
	Expires   time.Time `json:"exp"`
	TTL       float64   `json:"ttl"` // seconds; 0: none
	Bits      int       `json:"bits"`
	Statuses  string    `json:"lst"`
	Confirmed time.Time `json:"confirmed"`
}

// saveSoon has the file written, not waiting for saveEvery.
func (f *Follower) saveSoon() {
	f.unsaved.Store(true)
	select {
	case f.save <- struct{}{}:
	default:
	}
}

// keep is the goroutine that saves.
func (f *Follower) keep(ctx context.Context) {
	if f.ownClient {
		defer f.client.CloseIdleConnections()
	}
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.save:
		case <-time.After(saveEvery):
		}
		if f.cfg.File == "" || !f.unsaved.Swap(false) {
			continue
		}
		if err := f.write(); err != nil {
			if !failed { // it harms the next start alone
				f.cfg.Log.Warn("saving the status lists failed", "file", f.cfg.File, "error", err)
			}
			failed = true
			f.unsaved.Store(true)
		} else {
			failed = false
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(savePause):
		}
	}
}

func (f *Follower) write() error {
	saved := savedLists{
		Issuer:    f.cfg.Issuer,
		Announced: f.cfg.Announced != nil && f.cfg.Announced(),
		Withdrawn: slices.Sorted(maps.Keys(*f.withdrawn.Load())),
		Lists:     []savedList{},
	}
	for uri, l := range *f.lists.Load() {
		held := l.held.Load()
		if held == nil {
			continue
		}
		saved.Lists = append(saved.Lists, savedList{
			uri, held.keyID, held.issued.UTC(), held.expires.UTC(), held.ttl.Seconds(),
			held.bits, deflate(held.bytes), held.confirmed.UTC(),
		})
	}
	text, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	return savedfile.Save(f.cfg.File, text)
}

// load uses the lists of the file as if they had been fetched when they were.
func (f *Follower) load() {
	most := int64(f.cfg.MaxLists)*int64(f.cfg.MaxBytes)*4/3 + 16<<20
	text, err := savedfile.Load(f.cfg.File, most)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = f.take(text)
	}
	if err != nil {
		f.cfg.Log.Warn("the saved status lists are not used", "file", f.cfg.File, "error", err)
	}
}

// take uses what the file has, wholly or not at all.
func (f *Follower) take(text []byte) error {
	saved, err := parseSaved(text)
	if err != nil {
		return fmt.Errorf("malformed: %w", err)
	}
	if saved.Issuer != f.cfg.Issuer {
		return fmt.Errorf("of another issuer: %.256q", saved.Issuer)
	}
	if len(saved.Lists) > f.cfg.MaxLists {
		return errTooMany
	}
	lists, withdrawn := make(map[string]*followed), make(map[string]struct{})
	for _, id := range saved.Withdrawn {
		withdrawn[id] = struct{}{}
	}
	now := f.cfg.Now()
	for _, one := range saved.Lists {
		l, err := f.revive(one, now)
		if err != nil {
			return err
		}
		if _, gone := withdrawn[one.KeyID]; !gone && now.Sub(one.Confirmed) < unusedFor {
			lists[one.URI] = l
		}
	}
	f.announced = saved.Announced
	f.withdrawn.Store(&withdrawn)
	f.lists.Store(&lists)
	for _, l := range lists {
		go f.follow(l, true)
	}
	f.cfg.Log.Info("saved status lists in use until the issuer answers", "lists", len(lists), "withdrawn_keys", len(withdrawn))
	return nil
}

// revive makes a list from what was saved of it.
func (f *Follower) revive(saved savedList, now time.Time) (*followed, error) {
	content, err := inflate(saved.Statuses, int64(f.cfg.MaxBytes))
	switch {
	case err != nil:
		return nil, err
	case saved.Bits != 1 && saved.Bits != 2 && saved.Bits != 4 && saved.Bits != 8:
		return nil, errBits
	case !f.allows(saved.URI):
		return nil, fmt.Errorf("a list that is not the issuer's: %.256q", saved.URI)
	case saved.Confirmed.After(now.Add(time.Minute)): // clocks are set back a little now and then
		return nil, errors.New("from the future")
	case !(saved.TTL >= 0 && saved.TTL <= f.cfg.MaxRefresh.Seconds()): // NaN too
		saved.TTL = 0
	}
	l := newFollowed(saved.URI, now)
	l.held.Store(f.confirm(held{
		list: &list{
			issuer: f.cfg.Issuer, uri: saved.URI, issued: saved.Issued, expires: saved.Expires,
			ttl:      time.Duration(saved.TTL * float64(time.Second)),
			statuses: statuses{saved.Bits, content},
		},
		keyID: saved.KeyID,
	}, saved.Confirmed))
	return l, nil
}

// parseSaved reads the file by names that count to the letter.
func parseSaved(text []byte) (saved savedLists, err error) {
	err = exactjson.Members(string(text), func(name, value string) (err error) {
		switch name {
		case "issuer":
			saved.Issuer, err = exactjson.String(value) // not kept
		case "announced":
			err = json.Unmarshal([]byte(value), &saved.Announced)
		case "withdrawn_keys":
			saved.Withdrawn, err = withdrawnValue(value)
		case "lists":
			err = json.Unmarshal([]byte(value), &saved.Lists)
		}
		return err
	})
	return saved, err
}
