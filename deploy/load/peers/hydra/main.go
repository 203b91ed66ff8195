// Command hydra is Ory Hydra, as its own main is, to be measured beside Maru. It is a module of its
// own, with nothing but that, because Hydra names its version of a dependency by a replacement.
package main

import "github.com/ory/hydra/v2/cmd"

func main() { cmd.Execute() }
