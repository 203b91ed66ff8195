package client

import (
	"slices"
	"sync/atomic"
)

// Catalog is the resources that there are at the moment: those of the settings, and those that are
// stored. It is safe for concurrent use.
type Catalog struct {
	settings []Resource
	all      atomic.Pointer[[]Resource]
}

// NewCatalog returns a catalog of the settings' resources alone.
func NewCatalog(settings []Resource) *Catalog {
	c := &Catalog{settings: settings}
	c.all.Store(&settings)
	return c
}

// All returns the resources, those of the settings first. The slice is not to be changed.
func (c *Catalog) All() []Resource { return *c.all.Load() }

// Set replaces the stored resources; the first are the oldest. It leaves out, and returns, those that
// have the name, id or a scope of another before them: of the settings, which may have changed, or
// stored.
func (c *Catalog) Set(stored []Resource) (left []Resource) {
	all := slices.Clone(c.settings)
	for _, one := range stored {
		if CheckResources(append(slices.Clone(all), one)) != nil {
			left = append(left, one)
			continue
		}
		all = append(all, one)
	}
	c.all.Store(&all)
	return left
}
