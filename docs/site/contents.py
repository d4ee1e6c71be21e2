"""The navigation of the site: the caption of each group, and its pages without their suffix."""

CONTENTS = {
    "Guides": [
        "docs/studio",
        "docs/damage",
        "docs/noise",
        "docs/masks",
        "docs/enlarging",
        "docs/deblurring",
        "docs/blocks",
        "docs/gallery",
        "docs/limits",
    ],
    "The command": [
        "docs/files",
        "docs/presets",
        "docs/large_pictures",
        "docs/many_pictures",
        "docs/uncertainty",
        "docs/progress",
    ],
    "Python": [
        "examples/quickstart",
        "examples/mri",
        "examples/tomography",
        "examples/microscopy",
        "examples/spectral_inpainting",
        "examples/phase_retrieval",
        "examples/torch_operator",
        "docs/library",
        "docs/measurements",
        "docs/api/overview",
    ],
    "Evidence": [
        "experiments/README",
        "experiments/notes/quality",
        "experiments/notes/tables",
        "experiments/notes/performance",
        "docs/parity",
        "docs/differences",
    ],
    "Project": ["BUILD", "docs/design", "CHANGELOG", "docs/citing"],
}
