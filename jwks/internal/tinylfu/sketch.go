package tinylfu

// A sketch estimates how often each hash was counted of late, up to 15 times: a
// count-min sketch of four counters for each hash, of 4 bits, which share a line
// of the processor's cache. It is made for a set's entries.
type sketch struct {
	lines   [ways / 8][8]uint64 // 128 counters each, a quarter of them for each row
	counted int
}

const (
	rows = 4
	// period is after how many uses all counters are halved.
	period = 10 * ways
)

// at returns where a hash is counted, and 5 bits for each row that say which of
// its counters that is.
func (s *sketch) at(hash uint64) (line *[8]uint64, which uint64) {
	hash *= 0x9e3779b97f4a7c15 // not the bits that chose the set
	return &s.lines[hash>>32%uint64(len(s.lines))], hash >> 40 & (1<<(5*rows) - 1)
}

// counter returns the counter of a row.
func counter(line *[8]uint64, row, which uint64) (word *uint64, shift uint64) {
	which = which >> (5 * row) & 31
	return &line[2*row+which>>4], which & 15 * 4
}

func (s *sketch) count(hash uint64) {
	line, which := s.at(hash)
	for row := range uint64(rows) {
		if word, shift := counter(line, row, which); *word>>shift&15 < 15 {
			*word += 1 << shift
		}
	}
	if s.counted++; s.counted >= period {
		s.counted /= 2
		for i := range s.lines {
			for j := range s.lines[i] {
				s.lines[i][j] = s.lines[i][j] >> 1 & 0x7777777777777777
			}
		}
	}
}

func (s *sketch) estimate(hash uint64) uint64 {
	line, which := s.at(hash)
	least := uint64(15)
	for row := range uint64(rows) {
		word, shift := counter(line, row, which)
		least = min(least, *word>>shift&15)
	}
	return least
}
