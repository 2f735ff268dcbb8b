"""One rule for each figure: its tables in, SVG, PNG and PDF out."""


rule figure:
    input:
        tables=lambda w: [f"results/{w.study}/{name}" for name in FIGURES[w.figure]],
        masks=masks_for_figure,
        corrected=corrected_for_figure,
        stages=stages_for_figure,
        published=published_for_figure,
    output:
        svg="results/{study}/figures/{figure}.svg",
        png="results/{study}/figures/{figure}.png",
        pdf="results/{study}/figures/{figure}.pdf",
    log:
        "logs/{study}/figures/{figure}.log",
    wildcard_constraints:
        figure=one_of(FIGURES),
    conda:
        "../envs/statistics.yaml"
    params:
        code=lambda w: code("figure", *figure_code(w)),
        cfg=lambda w: canonical(parameters.figure(STUDIES[w.study], w.figure)),
    shell:
        "python -m workflow_scripts.figure --code {params.code:q} --cfg {params.cfg:q} "
        "--inputs {input} --out {output} --log {log} 2> {log}"
