package pages

import "time"

// moment is a time as people read it and as programs read it.
type moment struct {
	Text string // relative if near
	Full string // the whole time, with its zone
	ISO  string
	Here bool // the zone is unknown, and a script shows the browser's
}

// When shows t in the person's time zone, relative if it is less than a week ago.
func (v View) When(t time.Time) moment {
	m := v.At(t)
	if text, near := v.Lang.Ago(v.Now.Sub(t)); near {
		m.Text, m.Here = text, false
	}
	return m
}

// At shows t in the person's time zone, always in full.
func (v View) At(t time.Time) moment {
	local := t.UTC()
	if v.Zone != nil {
		local = t.In(v.Zone)
	}
	m := moment{Text: v.Lang.Date(local), ISO: t.UTC().Format(time.RFC3339), Here: v.Zone == nil}
	m.Full = m.Text + local.Format(" MST")
	if m.Here {
		m.Text = m.Full
	}
	return m
}
