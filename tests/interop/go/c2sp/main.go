// A further opinion on our log formats, from the libraries that witnesses and logs run:
// github.com/transparency-dev/formats (cosignatures with Ed25519 and ML-DSA-44) and
// filippo.io/torchwood (policies, proof files, tile paths).
//
// Reads one JSON request a line, writes one JSON answer a line.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"filippo.io/torchwood"
	formats "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type request struct {
	Op     string
	Note   []byte
	Keys   []string
	Text   string
	Name   string
	Policy []byte
	Proof  []byte
	Entry  []byte
	Path   string
}

type answer struct {
	Error  string   `json:"error,omitempty"`
	Note   []byte   `json:"note,omitempty"`
	Key    string   `json:"key,omitempty"`
	Signed []string `json:"signed,omitempty"`
	Size   int64    `json:"size,omitempty"`
	Tile   []int64  `json:"tile,omitempty"`
}

func newVerifier(vkey string) (note.Verifier, error) {
	if v, err := formats.NewMLDSAVerifier(vkey); err == nil {
		return v, nil
	}
	if v, err := note.NewVerifier(vkey); err == nil {
		return v, nil
	}
	return torchwood.NewCosignatureVerifier(vkey)
}

func open(r request) (answer, error) {
	var verifiers []note.Verifier
	for _, vkey := range r.Keys {
		verifier, err := newVerifier(vkey)
		if err != nil {
			return answer{}, err
		}
		verifiers = append(verifiers, verifier)
	}
	opened, err := note.Open(r.Note, note.VerifierList(verifiers...))
	if err != nil {
		return answer{}, err
	}
	a := answer{Note: []byte(opened.Text)}
	for _, sig := range opened.Sigs {
		a.Signed = append(a.Signed, sig.Name)
	}
	return a, nil
}

func signMLDSA(r request) (answer, error) {
	skey, vkey, err := formats.GenerateMLDSAKey(r.Name)
	if err != nil {
		return answer{}, err
	}
	signer, err := formats.NewMLDSASigner(skey)
	if err != nil {
		return answer{}, err
	}
	signed, err := note.Sign(&note.Note{Text: r.Text}, signer)
	return answer{Note: signed, Key: vkey}, err
}

func signEd25519(r request) (answer, error) {
	skey, vkey, err := note.GenerateKey(nil, r.Name)
	if err != nil {
		return answer{}, err
	}
	signer, err := formats.NewSignerForCosignatureV1(skey)
	if err != nil {
		return answer{}, err
	}
	signed, err := note.Sign(&note.Note{Text: r.Text}, signer)
	if err != nil {
		return answer{}, err
	}
	cosigner, err := formats.VKeyToCosignatureV1(vkey)
	return answer{Note: signed, Key: cosigner}, err
}

func checkpoint(r request) (answer, error) {
	policy, err := torchwood.ParsePolicy(r.Policy)
	if err != nil {
		return answer{}, err
	}
	c, _, err := torchwood.VerifyCheckpoint(r.Note, policy)
	return answer{Size: c.N}, err
}

func proof(r request) (answer, error) {
	policy, err := torchwood.ParsePolicy(r.Policy)
	if err != nil {
		return answer{}, err
	}
	return answer{}, torchwood.VerifyProof(policy, tlog.RecordHash(r.Entry), r.Proof)
}

func path(r request) (answer, error) {
	t, err := torchwood.ParseTilePath(r.Path)
	if err != nil {
		return answer{}, err
	}
	if strings.Compare(torchwood.TilePath(t), r.Path) != 0 {
		return answer{}, errors.New("another spelling")
	}
	return answer{Tile: []int64{int64(t.L), t.N, int64(t.W)}}, nil
}

func main() {
	operations := map[string]func(request) (answer, error){
		"open": open, "signMLDSA": signMLDSA, "signEd25519": signEd25519,
		"checkpoint": checkpoint, "proof": proof, "path": path,
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		operation, ok := operations[r.Op]
		if !ok {
			fmt.Fprintln(os.Stderr, "unknown operation", r.Op)
			os.Exit(1)
		}
		a, err := operation(r)
		if err != nil {
			a = answer{Error: err.Error()}
		}
		if err := out.Encode(a); err != nil {
			os.Exit(1)
		}
	}
}
