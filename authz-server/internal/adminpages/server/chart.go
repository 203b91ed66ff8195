package server

import (
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin/charts"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
)

// chart is bars over time, drawn on the server: a group of bars on top of each other for each point.
type chart struct {
	ID, Title string
	Text      string // what it shows, for whoever does not see it
	Total     string // of the first series
	Most      string // how much the top of the chart stands for; empty: nothing was counted
	Width     int    // in units of the drawing, whose height is chartHeight
	Series    []series
	Bars      []bar
	Marks     []string // below it: its beginning, middle and end
	Rows      []row    // the same as a table
}

// series is what bars of one colour stand for.
type series struct {
	Name, Class string
	Total       string
}

// bar is one bar, in units of the drawing.
type bar struct {
	X, Y, Width, Height int
	Class, Title        string
}

// row is a point of the chart, in words.
type row struct {
	When   string
	Values []string
}

const (
	chartHeight = 100
	pointWidth  = 10 // of which a bar takes all but one
)

// charted is which charts there are, with the kinds of their series, the lowest first.
var charted = [][]string{{charts.LogIns, charts.Failures}, {charts.SignUps}, {charts.Tokens}}

// drawn draws what was counted.
func drawn(v *frame.Visit, counted charts.Charts) (all []chart) {
	points := map[string][]int64{}
	for _, one := range counted.Charts {
		points[one.Kind] = one.Points
	}
	for _, kinds := range charted {
		all = append(all, drawChart(v, kinds, points, counted.Start, counted.Width))
	}
	return all
}

func drawChart(v *frame.Visit, kinds []string, points map[string][]int64, start time.Time, width time.Duration) chart {
	words := v.T.Admin.Overview
	n := len(points[kinds[0]])
	c := chart{ID: kinds[0], Title: words.Charts[kinds[0]], Width: n * pointWidth}
	when := func(i int) string {
		at := start.Add(time.Duration(i) * width)
		if width >= 24*time.Hour { // days begin at midnight UTC
			return words.DayOf(at.UTC())
		}
		if zone := v.Session.User.Zone(); zone != nil {
			at = at.In(zone)
		}
		return words.HourOf(at)
	}
	sums, all, most := make([]int64, n), int64(0), 0
	for k, kind := range kinds {
		var total int64
		for i, count := range points[kind] {
			sums[i] += count
			total += count
			if sums[i] > sums[most] {
				most = i
			}
		}
		all += total
		c.Series = append(c.Series, series{words.Series[kind], "series-" + string(rune('a'+k)), number(total)})
	}
	c.Total = c.Series[0].Total
	if c.Text = words.Quiet; all > 0 {
		c.Most, c.Text = number(sums[most]), words.ChartText(number(all), number(sums[most]), when(most))
	}
	for i := range n {
		line, below := row{When: when(i)}, int64(0)
		for k, kind := range kinds {
			count := points[kind][i]
			line.Values = append(line.Values, number(count))
			if count > 0 {
				bottom, top := below*chartHeight/sums[most], (below+count)*chartHeight/sums[most]
				top = max(top, bottom+1) // what is there is seen
				c.Bars = append(c.Bars, bar{i * pointWidth, chartHeight - int(top), pointWidth - 1, int(top - bottom),
					c.Series[k].Class,
					when(i) + ": " + number(count) + " · " + c.Series[k].Name})
			}
			below += count
		}
		c.Rows = append(c.Rows, line)
	}
	if n > 0 {
		c.Marks = []string{when(0), when(n / 2), when(n - 1)}
	}
	return c
}
