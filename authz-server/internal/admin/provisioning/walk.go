package provisioning

import "github.com/maru-auth/maru/authz-server/internal/store"

// walked is how many accounts or groups one statement reads.
const walked = 200

// walkOne visits one at most: that with this id, or, without an id, the one that find finds.
func walkOne(after, id string, find func() (id string, err error), visit func(id string) error) (err error) {
	if after != "" {
		return nil
	}
	if id == "" {
		if id, err = find(); err != nil {
			return store.IgnoreNotFound(err)
		}
	}
	return store.IgnoreNotFound(visit(id))
}

// walk reads batch after batch.
func walk[T any](after string, next func(after string) ([]T, error), each func(T) (cursor string, goOn bool)) error {
	for {
		batch, err := next(after)
		if err != nil {
			return err
		}
		for _, one := range batch {
			cursor, goOn := each(one)
			if !goOn {
				return nil
			}
			after = cursor
		}
		if len(batch) < walked {
			return nil
		}
	}
}

// upTo returns all that next returns in batches, each after the id of the last. [ErrTooMany]: there are
// more than most.
func upTo[T any](most int, next func(after string, limit int) ([]T, error), idOf func(T) string) ([]T, error) {
	const atOnce = 500
	all := []T{}
	for after := ""; ; after = idOf(all[len(all)-1]) {
		batch, err := next(after, atOnce)
		all = append(all, batch...)
		switch {
		case err != nil:
			return nil, err
		case len(all) > most:
			return nil, ErrTooMany
		case len(batch) < atOnce:
			return all, nil
		}
	}
}

func itself(id string) string { return id }
