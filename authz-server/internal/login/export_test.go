package login

import "context"

// Work names one kind of expensive work.
type Work string

// What is done in a queue of its own.
const (
	LogIn  Work = "log-in"
	SignUp Work = "sign-up"
	Change Work = "change of a password"
)

func (s *Service) queue(work Work) *queue {
	return map[Work]*queue{LogIn: s.passwords.logIn, SignUp: s.passwords.signUp, Change: s.passwords.change}[work]
}

// Occupy takes every place where such work is done or could wait, until leave is called.
func (s *Service) Occupy(work Work) (leave func()) {
	p := s.queue(work)
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	for range cap(p.waiting) {
		p.waiting <- struct{}{}
	}
	return func() {
		for range cap(p.waiting) {
			<-p.waiting
		}
		for range cap(p.slots) {
			<-p.slots
		}
	}
}

// OccupyTurns lets nothing of sender's be done until leave is called.
func (s *Service) OccupyTurns(sender string) (leave func()) {
	var leaves []func()
	for range s.turns.atOnce {
		one, err := s.turns.enter(context.Background(), sender)
		if err != nil {
			panic(err)
		}
		leaves = append(leaves, one)
	}
	return func() {
		for _, one := range leaves {
			one()
		}
	}
}
