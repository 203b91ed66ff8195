package login

// Occupy takes every place where a password could wait to be checked, until leave is called.
func (s *Service) Occupy() (leave func()) {
	for range cap(s.passwords.waiting) {
		s.passwords.waiting <- struct{}{}
	}
	return func() {
		for range cap(s.passwords.waiting) {
			<-s.passwords.waiting
		}
	}
}
