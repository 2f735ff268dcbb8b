"""One rule for each figure: its tables in, SVG and PNG out."""

FIGURES = {
    "flow": ["splits.csv"],
    "performance": ["metrics.csv"],
    "overlays": ["metrics.csv"],
    "subgroups": ["statistics/summary.csv", "statistics/tukey.csv"],
    "reliability": ["statistics/icc.csv"],
}
"""Figure -> the files under results/<study>/ that it is drawn from, in the report's order."""


def figures_of(study):
    """The figures that a study's sections allow."""
    without = set() if STUDIES[study].radiomics else {"reliability"}
    without |= set() if STUDIES[study].figures.overlays else {"overlays", "reliability"}
    return [name for name in FIGURES if name not in without]


def figure_files(study):
    return [
        f"results/{study}/figures/{name}.{suffix}"
        for name in figures_of(study)
        for suffix in ("svg", "png")
    ]


def published_for_figure(wildcards):
    return published_file(wildcards.study) if wildcards.figure == "subgroups" else []


def masks_for_figure(wildcards):
    """The overlays are drawn from images and masks, not from tables."""
    if wildcards.figure != "overlays":
        return []
    families = PLANS[wildcards.study].families()
    return expand(f"results/{wildcards.study}/predictions/{{family}}.json", family=families)


rule figure:
    input:
        tables=lambda w: [f"results/{w.study}/{name}" for name in FIGURES[w.figure]],
        masks=masks_for_figure,
        published=published_for_figure,
        code=lambda w: code("figure", f"crossover/figures/{w.figure}.py"),
    output:
        svg="results/{study}/figures/{figure}.svg",
        png="results/{study}/figures/{figure}.png",
    log:
        "logs/{study}/figures/{figure}.log",
    params:
        cfg=lambda w: canonical(sections.figure(STUDIES[w.study], w.figure)),
    wildcard_constraints:
        figure=one_of(FIGURES),
    conda:
        "../envs/statistics.yaml"
    shell:
        "python -m workflow_scripts.figure --cfg {params.cfg:q} "
        "--results results/{wildcards.study} --cases data/cases --out {output.svg} --log {log} 2> {log}"
