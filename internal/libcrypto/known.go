package libcrypto

import (
	"crypto/rsa"
	"math/big"
)

// The known answer: a signature by the key testRSA2048 of RFC 9500 §2.1, which everybody has, of
// the text "Maru" by [RS256].
const (
	knownP = "dd105702382f232b3681f53791e22617c7bf4e9acb81ed48daf6d6995da3eab642839aff012d2ea628b90af279fd3e6f" +
		"7c93cd80f072f01ff2443b3ee8f24ed469a79613a41bd24020f92fd11059bd1d0f301b5ba7a9d3637ca8d65c1a9815417d8eab" +
		"734b0b4f3a2c661d9a1a82f3ac734c40530669ab8e473045a58e65539d"
	knownQ = "ccf1e5bb90c8e9781ea75bebf10bc252e11eb023a0260f1887552a56863f4a6421e8c600bf523d6cb1b0adbdd65bfee4" +
		"a88a037e3d1a415e5bb95648da5a0ca26b54f4a63948522c3d5f89b94a72efff95134d5940ce45758f308980908956588eef57" +
		"5b3e4bc4c368cfe813ee9c252c2b02e0df91f1aa01938d38685d60ba6f"
	knownAnswer = "EiLZ5IMtbS7mlmWHhp73retXsV/RFGlPIAtLyW3jW6y91xnWMcC/BTm/esdUS3zo9ZaOFb5cY/8VYl3QwYrJJTzxyuWN" +
		"FPyy7MvTa6ycCssXN+qVl4Q7PpOXpXPkb3WNs3fSO36999Oia+RW6kLjt59xDmJ9XXVeTjKP3MS9Pe2EdeQoAxckrRhQg/c2eSdF" +
		"7OwdGYCa0k52u2N55KIv5RneeDQH2KPdHcrymwCowdCdgEEpkNJ5L9K0Qd+08KJOcuXvz37E0W86si04232n96nNUC945Ot7LLUQ" +
		"L9Hpo23ziKa+Zi1l2j38/wF4XApQLuIraPrd0sL3TbztIOAsFQ=="
)

// knownKey returns the key of the known answer.
func knownKey() *rsa.PrivateKey { return fromPrimes(knownP, knownQ) }

// fromPrimes makes a key of two primes, in hexadecimal.
func fromPrimes(hexP, hexQ string) *rsa.PrivateKey {
	p, _ := new(big.Int).SetString(hexP, 16)
	q, _ := new(big.Int).SetString(hexQ, 16)
	one, e := big.NewInt(1), big.NewInt(65537)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: int(e.Int64())},
		D:         new(big.Int).ModInverse(e, phi), Primes: []*big.Int{p, q},
	}
	key.Precompute()
	return key
}
