"""`intertwine convert mace`: an export becomes a potential that other verbs take, or one line says why not."""

from pathlib import Path

from calling import call, refused

EXPORTS = Path(__file__).parents[1] / "potentials/engines/golden_mace"


def test_convert_writes_a_potential_and_says_how_near_it_is(tmp_path):
    from intertwine.potentials.models.saved import load

    result = call("convert", "mace", EXPORTS / "heads", tmp_path / "potential", "--head", "ccsd", "--elements", "O")
    assert result.exit_code == 0, result.output
    assert "eV an atom" in result.stdout and "from mace-torch" in result.stdout
    assert load(tmp_path / "potential").species == (8,)


def test_convert_refuses_what_is_no_export(tmp_path):
    (tmp_path / "MACE.model").write_bytes(b"pickle")
    refused(call("convert", "mace", tmp_path / "MACE.model", tmp_path / "out"), "export_from_mace.py")
    refused(call("convert", "mace", tmp_path / "nothing", tmp_path / "out"), "model.json")
    refused(call("convert", "mace", EXPORTS / "heads", tmp_path / "out"), "heads pbe, ccsd")
    words = ["convert", "mace", EXPORTS / "residual", tmp_path / "out", "--elements"]
    refused(call(*words, "H,Xx"), "'Xx'", "--elements")
    refused(call(*words, "Fe"), "different elements out of")
    assert not (tmp_path / "out").exists()
