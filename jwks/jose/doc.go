// Package jose judges what strangers sign: JWTs in compact form, the public
// keys that they are signed with, and DPoP proofs. It is the one place of this
// module that takes a JWT apart.
//
//   - [Parse] takes a JWT apart. You get its payload from [JWT.VerifiedBy] if
//     you have the signer's key, and from [JWT.UnverifiedPayload] to find out
//     whose key you need.
//   - [ParseKeySet] and [ParseKey] read public keys. A [Key] serves the
//     algorithms that it [Key.Fits], and no secret or private key is one.
//   - [ProofRule] decides which DPoP proofs are good, at a resource server as
//     at a token endpoint; a [ProofMemory] makes sure that each is used once.
//   - [UnmarshalExact] reads JSON in which names count to the letter, and once.
//
// A service that protects an API with access tokens needs
// [github.com/maru-auth/maru/jwks] alone, which builds on this package. The
// package signs nothing, needs only the standard library, and everything in it
// is safe for use by many goroutines at once.
package jose
