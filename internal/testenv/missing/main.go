// Command missing says which tests were left out on this machine, and what to install so that they
// run. It says nothing when all of them run.
package main

import (
	"fmt"

	"github.com/maru-auth/maru/internal/testenv"
)

func main() {
	for _, what := range testenv.Missing() {
		fmt.Println("left out: no", what)
	}
}
