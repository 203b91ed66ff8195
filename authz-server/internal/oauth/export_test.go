package oauth

import "context"

// DeliverLogouts makes one attempt for each of some deliveries that are due, and returns how many there were.
func (s *Server) DeliverLogouts(ctx context.Context) (int, error) { return s.deliverLogouts(ctx) }

// RegistrationsOfAll is how many clients can be registered in an hour that nobody vouches for.
const RegistrationsOfAll = registrationsOfAll
