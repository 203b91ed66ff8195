package client

// Algorithms are the signature algorithms of the server, for what it signs and for what clients
// sign: its key ring has a line of keys for each, discovery and --help name them, and clients sign
// assertions, request objects and DPoP proofs by them. EdDSA and Ed25519 are one algorithm;
// programs differ in which name they know (RFC 9864 §2.2). Do not change the slice.
var Algorithms = []string{"RS256", "PS256", "ES256", "EdDSA", "Ed25519"}

// ProfileAlgorithms are those of [Algorithms] that a client with the profile fapi2 may use (FAPI
// 2.0 Security Profile §5.4.1).
var ProfileAlgorithms = []string{"PS256", "ES256", "EdDSA", "Ed25519"}

// Algorithms are those by which c may sign: its assertions, request objects and DPoP proofs.
func (c *Client) Algorithms() []string {
	if c.Profile == ProfileFAPI2 {
		return ProfileAlgorithms
	}
	return Algorithms
}
