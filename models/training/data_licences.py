"""Citations, licences and notices of the data sets, for the card of a model that was trained on them."""

from typing import Final

SOURCES: Final = {
    "stress_predict": (
        "**Stress-Predict Dataset**, <https://github.com/italha-d/Stress-Predict-Dataset>. MIT licence, Copyright (c) 2022 "
        "Talha Iqbal. Iqbal T, Simpkin AJ, Roshan D, et al. *Stress Monitoring Using Wearable Sensors: A Pilot Study and "
        "Stress-Predict Dataset.* Sensors 2022, 22(21), 8135. <https://doi.org/10.3390/s22218135>"
    ),
    "wearable_induced": (
        "**Wearable Device Dataset from Induced Stress and Structured Exercise Sessions, version 1.0.1**, "
        "<https://physionet.org/content/wearable-device-dataset/1.0.1/>. Open Data Commons Attribution License v1.0 "
        "(<https://opendatacommons.org/licenses/by/1-0/>). Hongn A, Bosch F, Prado LE, Ferrández JM, Bonomini MP. "
        "*Wearable Physiological Signals under Acute Stress and Exercise Conditions.* Scientific Data 2025. "
        "<https://doi.org/10.1038/s41597-025-04845-9>; the data set: <https://doi.org/10.13026/he0v-tf17>"
    ),
}

NOTICE: Final = (
    "> This model contains information from the Wearable Device Dataset from Induced Stress and Structured Exercise\n"
    "> Sessions, which is made available under the ODC Attribution License, and from the Stress-Predict Dataset, which is\n"
    "> made available under the MIT licence. Any model or data derived from them and passed on should carry this notice."
)

LABELS: Final = """\
Two published laboratory studies with one wrist device (Empatica E4), at one row a second, without filtering or
interpolation. Label 1 is a stress task (Stroop, interview, hyperventilation; mental arithmetic, defending an opinion,
subtraction), label 0 rest, baseline, relaxation or a questionnaire, by the button presses and time logs of the
experimenters. **A label says which task a person was doing, not how stressed they felt**; some people show no response at
all. Rows between the tasks have no label: they run through the windows and are not scored."""

MIT_TEXT: Final = """\
    MIT License

    Copyright (c) 2022 Talha Iqbal

    Permission is hereby granted, free of charge, to any person obtaining a copy
    of this software and associated documentation files (the "Software"), to deal
    in the Software without restriction, including without limitation the rights
    to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
    copies of the Software, and to permit persons to whom the Software is
    furnished to do so, subject to the following conditions:

    The above copyright notice and this permission notice shall be included in all
    copies or substantial portions of the Software.

    THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
    IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
    FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
    AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
    LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
    OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
    SOFTWARE."""


def data_text(sources: tuple[str, ...]) -> str:
    """Labels, notice and citations for the sources that are known; the others are named as unknown."""
    known = [SOURCES[source] for source in sources if source in SOURCES]
    unknown = [source or "(no name)" for source in sources if source not in SOURCES]
    parts = [LABELS, NOTICE, "\n".join(f"- {text}" for text in known)] if known else []
    if unknown:
        parts.append(f"Sources of which this program knows no licence, label or citation: {', '.join(unknown)}.")
    if "stress_predict" in sources:
        parts.append(f"The licence of the Stress-Predict Dataset:\n\n{MIT_TEXT}")
    return "\n\n".join(parts)
