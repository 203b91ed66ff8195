package endurance

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/maru-auth/maru/deploy/load/usage"
)

// Growth is what became of one process after the warm-up, which is the first third of its time.
type Growth struct {
	Program    string  `json:"program"`
	Seconds    float64 `json:"seconds"` // after the warm-up
	Samples    int     `json:"samples"`
	Memory     float64 `json:"memory"`         // resident bytes: the mean
	Slope      float64 `json:"memory_slope"`   // bytes a second: that of the straight line that fits best
	Goroutines float64 `json:"goroutines"`     // the median of the second third
	Later      float64 `json:"goroutines_end"` // and that of the last third; 0, 0: the program does not tell
}

// How much may grow. A garbage collector's heap breathes, and caches that have a bound fill up.
const (
	memoryPart     = 0.25     // of the mean
	memoryLeast    = 48 << 20 // bytes
	goroutinesPart = 0.25
	goroutineLeast = 40
)

func (g Growth) check() error {
	var errs []error
	if grown := g.Slope * g.Seconds; grown > max(memoryPart*g.Memory, memoryLeast) {
		errs = append(errs, fmt.Errorf("%s grows: %.1f MB in %.0f s, on %.1f MB", g.Program, grown/1e6, g.Seconds, g.Memory/1e6))
	}
	if g.Later-g.Goroutines > max(goroutinesPart*g.Goroutines, goroutineLeast) {
		errs = append(errs, fmt.Errorf("%s has more and more goroutines: %.0f, later %.0f", g.Program, g.Goroutines, g.Later))
	}
	return errors.Join(errs...)
}

// samples are those of all processes. One that was started again is another process.
type samples struct {
	began time.Time
	mu    sync.Mutex
	by    map[string]*series
}

type series struct {
	pid                        int
	seconds, bytes, goroutines []float64
}

func newSamples(began time.Time) *samples { return &samples{began: began, by: map[string]*series{}} }

func (s *samples) add(program string, pid int, bytes int64, goroutines float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.by[program]
	if one == nil || one.pid != pid {
		one = &series{pid: pid}
		s.by[program] = one
	}
	one.seconds = append(one.seconds, time.Since(s.began).Seconds())
	one.bytes, one.goroutines = append(one.bytes, float64(bytes)), append(one.goroutines, goroutines)
}

// growth judges the processes that have lived for half of the time at least.
func (s *samples) growth() (all []Growth) {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := time.Since(s.began).Seconds()
	for program, one := range s.by {
		n := len(one.seconds)
		if n < 9 || one.seconds[n-1]-one.seconds[0] < total/2 {
			continue
		}
		after := n / 3
		slope, mean := line(one.seconds[after:], one.bytes[after:])
		all = append(all, Growth{
			Program: program, Seconds: one.seconds[n-1] - one.seconds[after], Samples: n - after, Memory: mean, Slope: slope,
			Goroutines: median(one.goroutines[after : 2*after]), Later: median(one.goroutines[2*after:]),
		})
	}
	slices.SortFunc(all, func(a, b Growth) int { return cmp.Compare(a.Program, b.Program) })
	return all
}

// line returns the slope of the straight line that fits best (least squares), and the mean of y.
func line(x, y []float64) (slope, meanY float64) {
	var meanX, over, under float64
	for i := range x {
		meanX += x[i] / float64(len(x))
		meanY += y[i] / float64(len(y))
	}
	for i := range x {
		over += (x[i] - meanX) * (y[i] - meanY)
		under += (x[i] - meanX) * (x[i] - meanX)
	}
	if under == 0 {
		return 0, meanY
	}
	return over / under, meanY
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// sample looks at every process once. One that is being started again is left out.
func (e *endurance) sample() {
	for _, part := range e.site.Parts() {
		pid, err := e.site.PID(part.Name)
		if err != nil {
			continue
		}
		taken, err := usage.Of(pid)
		if err != nil {
			continue
		}
		goroutines := 0.0
		if part.Prefix != "GATEWAY_" {
			goroutines, err = goroutinesOf(e.site.MetricsURL(part.Name))
			if err != nil {
				continue
			}
		}
		e.samples.add(part.Name, pid, taken.RSS, goroutines)
	}
}

// goroutinesOf reads the metric that every program has.
func goroutinesOf(metrics string) (float64, error) {
	resp, err := (&http.Client{Timeout: 5 * time.Second}).Get(metrics)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	found, number := false, 0.0
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			if number, err = strconv.ParseFloat(text, 64); err != nil {
				return 0, err
			}
			found = true
		}
	}
	if err := lines.Err(); err != nil || !found {
		return 0, fmt.Errorf("no go_goroutines at %s: %w", metrics, err)
	}
	return number, nil
}
