package pages

import "time"

// moment is a time as people read it and as programs do.
type moment struct {
	Text string // near times are relative
	Full string // the whole time, with its zone
	ISO  string
	Here bool // the zone is not known: a script may put it right
}

// When shows t in the person's time zone: relative while it is less than a week ago.
func (v View) When(t time.Time) moment {
	m := v.At(t)
	if text, near := v.Lang.Ago(v.Now.Sub(t)); near {
		m.Text, m.Here = text, false
	}
	return m
}

// At shows t in the person's time zone, always whole.
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
