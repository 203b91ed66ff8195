package endurance

import (
	"testing"
	"time"
)

// fill is a program's life of ten minutes: its memory in MB and its goroutines as time goes by.
func fill(s *samples, program string, pid int, memory, goroutines func(second float64) float64) {
	for second := 0.0; second <= 600; second += 2 {
		s.add(program, pid, int64(memory(second)*1e6), goroutines(second))
		one := s.by[program]
		one.seconds[len(one.seconds)-1] = second
	}
}

func TestWhatGrowsIsToldFromWhatBreathes(t *testing.T) {
	flat := func(float64) float64 { return 50 }
	for _, tc := range []struct {
		name               string
		memory, goroutines func(float64) float64
		grows              bool
	}{
		{"flat", flat, flat, false},
		{"a heap that breathes", func(s float64) float64 { return 100 + 20*float64(int(s)%10)/10 }, flat, false},
		{"caches that fill up in the warm-up", func(s float64) float64 { return min(40+s, 190) }, flat, false},
		{"a leak of 10 MB a minute", func(s float64) float64 { return 50 + s/6 }, flat, true},
		{"a goroutine a second", flat, func(s float64) float64 { return 50 + s }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSamples(time.Now().Add(-10 * time.Minute))
			fill(s, "p", 1, tc.memory, tc.goroutines)
			all := s.growth()
			if len(all) != 1 {
				t.Fatalf("%d programs", len(all))
			}
			if err := all[0].check(); (err != nil) != tc.grows {
				t.Errorf("%v: %+v", err, all[0])
			}
		})
	}
}

// A replica that is restarted again and again has no time to show whether it grows.
func TestAShortLifeIsNotJudged(t *testing.T) {
	s := newSamples(time.Now().Add(-10 * time.Minute))
	flat := func(float64) float64 { return 50 }
	fill(s, "p", 1, flat, flat)
	s.add("p", 2, 1, 1)
	if all := s.growth(); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}
