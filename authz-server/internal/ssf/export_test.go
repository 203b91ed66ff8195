package ssf

// Waits tells whether a poll of a stream waits.
func (e *Endpoints) Waits(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.polls[id] != nil
}
