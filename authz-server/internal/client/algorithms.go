package client

// Algorithms are those that the server signs by and takes signatures by, wherever it does: its key ring has a line of keys for
// each, discovery and --help name them, and assertions, request objects and DPoP proofs are made by them. EdDSA and Ed25519
// are one algorithm; programs differ in which name they know (RFC 9864 §2.2). Treat it as a constant.
var Algorithms = []string{"RS256", "PS256", "ES256", "EdDSA", "Ed25519"}

// ProfileAlgorithms are those of [Algorithms] that a client with the profile fapi2 may use (FAPI 2.0 Security Profile §5.4.1).
var ProfileAlgorithms = []string{"PS256", "ES256", "EdDSA", "Ed25519"}

// Algorithms are those that what c signs may be signed by: its assertions, request objects and DPoP proofs.
func (c *Client) Algorithms() []string {
	if c.Profile == ProfileFAPI2 {
		return ProfileAlgorithms
	}
	return Algorithms
}
