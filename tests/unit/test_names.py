"""Names of components and metrics, and what an ARN means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepwell.model.names import (
    ARN_CHARS_MAX,
    component_of_arn,
    is_component_name,
    is_metric_name,
)

LINE_ENDS = ("\n", "\r", "\u0085", "\u2028", "\u2029")


@pytest.mark.parametrize("name", ["a", "0", "a-b", "a--b", "x" * 120, "a" + "-" * 118 + "b"])
def test_component_names(name: str) -> None:
    """Letters, digits and hyphens between them make a component's name, up to 120 characters."""
    assert is_component_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "-", "-a", "a-", "a_b", "a.b", "a b", "A", "ä", "x" * 121, "a\n", "a\0", "\ud800", "٣"],
)
def test_not_component_names(name: str) -> None:
    """Anything else is no component's name, nor are 121 characters or one with a line end."""
    assert not is_component_name(name)


@pytest.mark.parametrize(
    "name",
    ["a", " ", "x" * 255, "😀" * 255, "val/loss:ε", "\0", "\x01\x1f\x7f", "\t", "\x0b\x0c", "'\""],
)
def test_metric_names(name: str) -> None:
    """A metric's name is 1 to 255 characters of anything, control characters and emoji included."""
    assert is_metric_name(name)


@pytest.mark.parametrize("name", ["", "x" * 256, "😀" * 256, "\ud800", "a\udfffb"])
def test_not_metric_names(name: str) -> None:
    """An empty name, 256 characters and half a surrogate pair are refused."""
    assert not is_metric_name(name)


@pytest.mark.parametrize("end", LINE_ENDS)
@pytest.mark.parametrize("form", ["{}", "a{}", "{}a", "a{}b"])
def test_line_ends_in_metric_names(form: str, end: str) -> None:
    """The five line terminators, which the model's `.+` does not match, are refused anywhere."""
    assert not is_metric_name(form.format(end))


@given(st.text(st.characters(exclude_characters=LINE_ENDS, codec="utf-8"), min_size=1))
def test_every_text_is_a_metric_name(text: str) -> None:
    """Whatever has no line terminator and can be encoded is a metric's name, to 255 characters."""
    assert is_metric_name(text) == (len(text) <= 255)


@pytest.mark.parametrize(
    ("arn", "component"),
    [
        ("arn:aws:sagemaker:us-east-1:123456789012:experiment-trial-component/run-1", "run-1"),
        ("arn:aws:sagemaker:us-east-1:123456789012:experiment-trial-component/Run-1", "run-1"),
        ("arn:aws-cn:sagemaker:cn-north-1:000000000000:experiment-trial-component/a", "a"),
        ("arn:aws:sagemaker::123456789012:experiment-trial-component/a", "a"),
        ("arn:aws:sagemaker:x-local-1:123456789012:training-job/Job-7", "job-7-aws-training-job"),
    ],
)
def test_arns(arn: str, component: str) -> None:
    """An ARN's type and name count, folded; its region and account do not (rule 12)."""
    assert component_of_arn(arn) == component


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "run-1",
        "arn:aws:sagemaker:us-east-1:123456789012:experiment/run-1",
        "arn:aws:sagemaker:us-east-1:123456789012:experiment-trial/run-1",
        "arn:aws:sagemaker:us-east-1:123456789012:experiment-trial-component/",
        "arn:aws:sagemaker:us-east-1:123456789012:experiment-trial-component",
        "arn:aws:sagemaker:us-east-1:12345678901:experiment-trial-component/a",
        "arn:aws:sagemaker:US-EAST-1:123456789012:experiment-trial-component/a",
        "arn:aws:s3:us-east-1:123456789012:experiment-trial-component/a",
        " arn:aws:sagemaker:us-east-1:123456789012:experiment-trial-component/a",
        "arn:aws:sagemaker:us-east-1:123456789012:experiment-trial-component/a\n",
        "arn:aws:sagemaker:us-east-1:١٢٣٤٥٦٧٨٩٠١٢:experiment-trial-component/a",
    ],
)
def test_not_arns(arn: str) -> None:
    """Other resources and malformed ARNs mean no component."""
    assert component_of_arn(arn) is None


def test_long_arns() -> None:
    """An ARN may have 2048 characters and not one more."""
    head = "arn:aws:sagemaker:us-east-1:123456789012:experiment-trial-component/"
    name = "a" * (ARN_CHARS_MAX - len(head))
    assert component_of_arn(head + name) == name
    assert component_of_arn(head + name + "a") is None


@pytest.mark.parametrize("name", ["\ud800", "a\udfff", "\u212a", "a b", "-", "a/b", "é", "\0"])
def test_arns_of_impossible_components(name: str) -> None:
    """An ARN whose last part cannot be a component's name never means one that exists.

    Half a surrogate pair could not even be looked up, and the Kelvin sign must not become a k.
    """
    head = "arn:aws:sagemaker:us-east-1:123456789012:experiment-trial-component/"
    found = component_of_arn(head + name)
    assert found is None or (found.encode() and not is_component_name(found))


@given(st.text())
def test_arns_never_fail(text: str) -> None:
    """Any text is either an ARN that we know or None."""
    found = component_of_arn(text)
    assert found is None or isinstance(found, str)
