"""The numbers of each study by name, and the report: one page for all studies of the run."""


rule values:
    input:
        statistics=lambda w: outputs_of(w.study, "statistics"),
        after=lambda w: outputs_of(w.study, "tables", "figures"),
    output:
        "results/{study}/values.json",
        "results/{study}/values.tex",
        "results/{study}/scores.json",
        "results/{study}/params.json",
    log:
        "logs/{study}/values.log",
    group:
        group("tables")
    conda:
        "../envs/statistics.yaml"
    resources:
        **scheduler_resources("values"),
    params:
        code=lambda w: code("values", *(a.source for a in registry.of_study(STUDIES[w.study], "statistics"))),
        cfg=lambda w: canonical(parameters.result_settings(STUDIES[w.study])),
    shell:
        'python -I -S "$CROSSOVER_JOB" tables values --code {params.code:q} --cfg {params.cfg:q} '
        "--statistics {input.statistics} --after {input.after} --out {output} --log {log} 2> {log}"


REPORT_PAGE = [f"crossover/report/{name}.j2" for name in ("template.html", "style.css", "script.js", "prose")]


CAPTIONS = sorted({a.source for study in STUDIES.values() for a in registry.of_study(study) if a.declared.title})


rule report:
    input:
        splits=[f"results/{study}/{name}.csv" for study in STUDIES for name in ("splits", "left_out", "warned")],
        metrics=[f"results/{study}/metrics.csv" for study in STUDIES],
        analyses=[f for study in STUDIES for f in outputs_of(study)],
        stages=[f"results/{study}/stages/{batch}.json" for study in STUDIES for batch in PLANS[study].batches],
        published=[f for study in STUDIES for f in published_file(study)],
    output:
        "results/report.html",
    log:
        "logs/report.log",
    group:
        group("tables")
    conda:
        "../envs/statistics.yaml"
    resources:
        **scheduler_resources("report"),
    params:
        code=code("report", *REPORT_PAGE, *STUDY, *CAPTIONS),
        cfg=lambda w: canonical({"studies": [parameters.report(study) for study in STUDIES.values()]}),
    shell:
        'python -I -S "$CROSSOVER_JOB" tables report --code {params.code:q} --cfg {params.cfg:q} '
        "--inputs {input} --out {output} --log {log} 2> {log}"
