package usage

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticks is how many there are in a second in /proc, on every architecture that Go knows.
const ticks = 100

// Of returns what the process pid takes, without its children.
func Of(pid int) (Usage, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	fields, err := stat(dir)
	if err != nil {
		return Usage{}, err
	}
	u := Usage{CPU: (fields[utime] + fields[stime]) * time.Second / ticks, Written: -1}
	status, err := values(dir + "/status")
	if err != nil {
		return Usage{}, err
	}
	u.RSS, u.Peak = status["VmRSS"]<<10, status["VmHWM"]<<10
	if io, err := values(dir + "/io"); err == nil { // another user's cannot be read
		u.Written = io["write_bytes"]
	}
	return u, nil
}

// Family returns what pid, all processes below it, and those that have ended take. Memory that they
// share is counted for each.
func Family(pid int) (Usage, error) {
	all, err := Tree(pid)
	if err != nil {
		return Usage{}, err
	}
	var total Usage
	for _, one := range all {
		u, err := Of(one)
		fields, statErr := stat("/proc/" + strconv.Itoa(one))
		if err != nil || statErr != nil {
			continue // it has ended, and will be counted at its parent
		}
		u.CPU += (fields[childrenUtime] + fields[childrenStime]) * time.Second / ticks
		total = total.Add(u)
	}
	return total, nil
}

// Tree returns pid and all processes below it.
func Tree(pid int) ([]int, error) {
	parents, err := parents()
	if err != nil {
		return nil, err
	}
	tree := []int{pid}
	for i := 0; i < len(tree); i++ {
		for child, parent := range parents {
			if parent == tree[i] {
				tree = append(tree, child)
			}
		}
	}
	return tree, nil
}

// Processors returns for how long all processors of the machine were busy, with whatever, and idle,
// since it started; 0, 0: not known.
func Processors() (busy, idle time.Duration) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(first) {
		n, err := strconv.ParseInt(field, 10, 64)
		switch {
		case err != nil || i > 8: // the line's name; guests are counted with their hosts
		case i == 4 || i == 5: // idle, and idle because a disk is waited for
			idle += time.Duration(n) * time.Second / ticks
		default:
			busy += time.Duration(n) * time.Second / ticks
		}
	}
	return busy, idle
}

// parents returns the parent of each process.
func parents() (map[int]int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	all := make(map[int]int)
	for _, file := range files {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return nil, err
		}
		if fields, err := stat(filepath.Dir(file)); err == nil { // otherwise it has ended
			all[pid] = int(fields[ppid])
		}
	}
	return all, nil
}

// Places in /proc/PID/stat after the name, from 0 (proc_pid_stat(5)).
const (
	ppid          = 1
	utime         = 11
	stime         = 12
	childrenUtime = 13
	childrenStime = 14
)

func stat(dir string) ([]time.Duration, error) {
	text, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return nil, err
	}
	_, rest, found := bytes.Cut(text[max(bytes.LastIndexByte(text, ')'), 0):], []byte(" ")) // a name may have parentheses
	fields := strings.Fields(string(rest))
	if !found || len(fields) <= childrenStime {
		return nil, fmt.Errorf("%s/stat has %d fields", dir, len(fields))
	}
	numbers := make([]time.Duration, childrenStime+1)
	for _, i := range []int{ppid, utime, stime, childrenUtime, childrenStime} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return nil, err
		}
		numbers[i] = time.Duration(n)
	}
	return numbers, nil
}

// values reads lines such as "VmRSS:  123 kB".
func values(file string) (map[string]int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	found := make(map[string]int64)
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			found[name] = n
		}
	}
	return found, nil
}
