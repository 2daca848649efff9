"""The files hold other layers than the config has.

## What it finds
Whole layers of the model for which there is no tensor: the last ones, or some in between; and layers behind the last
one of the config, which is a warning. Layers that families keep for the prediction of more than one token are left out.
One finding for each list of layers.

## Why it matters
transformers 5.23.0 fills layers that are not in the files with random numbers, and leaves out those that the config
does not have. Both loads end with a report and exit code 0. It happens where a model was pruned or extended and the
config was not: https://github.com/peremartra/optipfair/issues/20 .

## How to put it right
Set the number of layers to what the files hold, together with lists that have one entry for each layer, such as
`layer_types`. Or save the model again with all its layers.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import LLAMA, llama_layer, llama_tensors, renamed, repository, without
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule

FIELD = At("config.json", "/num_hidden_layers")


class LayerCount(Rule):
    id = "WGT008"
    name = "layer-count"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Save the model with all its layers, or set the number of layers to what the files hold."
    bad = (
        Example(
            "the last layer is missing: nine tensors, one finding",
            repository(LLAMA, without(llama_tensors(), "layers.1.")),
            at=(FIELD,),
        ),
        Example(
            "the config has a layer too many", repository(LLAMA, llama_tensors(), num_hidden_layers=3), at=(FIELD,)
        ),
        Example(
            "the config has a layer less: a warning",
            repository(LLAMA, llama_tensors(), num_hidden_layers=1),
            at=(FIELD,),
        ),
        Example(
            "a gap: layer 1 was saved as layer 2",
            repository(LLAMA, renamed(llama_tensors(), "layers.1.", "layers.2.")),
            at=(At("model.safetensors", tensor="model.layers.1.input_layernorm.weight"),),
        ),
    )
    good = (
        Example("two layers", repository(LLAMA, llama_tensors())),
        Example(
            "a layer behind the last one, for the prediction of a second token",
            repository(LLAMA, {**llama_tensors(), **llama_layer(2)}, num_nextn_predict_layers=1),
            near_miss=True,
        ),
        Example(
            "such layers under a name of their own",
            repository(LLAMA, {**llama_tensors(), **renamed(llama_layer(0), "model.layers", "mtp.layers")}),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.LAYERS, Kind.LAYERS_UNUSED, Kind.GAP):
            severity = Severity.WARNING if cause.kind is Kind.LAYERS_UNUSED else None
            yield self.finding(at, cause.message, hint=cause.hint, severity=severity)
