"""Predictions -> the metrics table and the radiomics table."""


rule evaluate:
    input:
        cases=of_cohorts("data/cases/{cohort}/manifest.json"),
        splits="results/{study}/splits.csv",
        predictions="results/{study}/predictions/{group}.json",
    output:
        "results/{study}/metrics/{group}.csv",
    log:
        "logs/{study}/evaluate/{group}.log",
    conda:
        "../envs/imaging.yaml"
    threads: processes_of_masks
    resources:
        **scheduler_resources("evaluate"),
    params:
        code=code("evaluate"),
        cfg=lambda w: canonical(parameters.evaluate(STUDIES[w.study], models_of(w))),
    shell:
        'python -I -S "$CROSSOVER_JOB" images evaluate --code {params.code:q} --cfg {params.cfg:q} '
        "--cases {input.cases} --splits {input.splits} --predictions {input.predictions} "
        "--out {output} --threads {threads} --log {log} 2> {log}"


# Other tools' masks join the study's own models, where their scores are of the study as it is now.
rule metrics:
    input:
        tables=of_groups("results/{study}/metrics/{group}.csv"),
        external=external,
        splits=lambda w: [f"results/{w.study}/splits.csv"] if external(w) else [],
        cases=lambda w: of_cohorts("data/cases/{cohort}/manifest.json")(w) if external(w) else [],
    output:
        "results/{study}/metrics.csv",
    log:
        "logs/{study}/metrics.log",
    group:
        group("tables")
    conda:
        "../envs/imaging.yaml"
    resources:
        **scheduler_resources("metrics"),
    params:
        code=code("metrics"),
        cfg=lambda w: canonical(parameters.scoring(STUDIES[w.study]) if external(w) else {}),
    shell:
        'python -I -S "$CROSSOVER_JOB" tables metrics --code {params.code:q} --cfg {params.cfg:q} '
        "--tables {input.tables} --external {input.external} --splits {input.splits} --cases {input.cases} "
        "--out {output} --log {log} 2> {log}"


rule radiomics:
    input:
        cases=of_cohorts("data/cases/{cohort}/manifest.json"),
        splits="results/{study}/splits.csv",
        predictions="results/{study}/predictions/{group}.json",
    output:
        "results/{study}/radiomics/{group}.csv",
    log:
        "logs/{study}/radiomics/{group}.log",
    conda:
        "../envs/imaging.yaml"
    threads: processes_of_masks
    resources:
        **scheduler_resources("radiomics"),
    params:
        code=code("radiomics"),
        cfg=lambda w: canonical(parameters.radiomics(STUDIES[w.study], models_of(w))),
    shell:
        'python -I -S "$CROSSOVER_JOB" images radiomics --code {params.code:q} --cfg {params.cfg:q} '
        "--cases {input.cases} --splits {input.splits} --predictions {input.predictions} "
        "--out {output} --threads {threads} --log {log} 2> {log}"


rule radiomics_manual:
    input:
        cases=of_cohorts("data/cases/{cohort}/manifest.json"),
        splits="results/{study}/splits.csv",
    output:
        "results/{study}/radiomics_manual.csv",
    log:
        "logs/{study}/radiomics_manual.log",
    conda:
        "../envs/imaging.yaml"
    threads: processes_of_masks
    resources:
        **scheduler_resources("radiomics_manual"),
    params:
        code=code("radiomics"),
        cfg=lambda w: canonical(parameters.radiomics(STUDIES[w.study], None)),
    shell:
        'python -I -S "$CROSSOVER_JOB" images radiomics --code {params.code:q} --cfg {params.cfg:q} '
        "--cases {input.cases} --splits {input.splits} --out {output} --threads {threads} "
        "--log {log} 2> {log}"


rule radiomics_table:
    input:
        tables=of_groups("results/{study}/radiomics/{group}.csv"),
        manual="results/{study}/radiomics_manual.csv",
    output:
        "results/{study}/radiomics.csv",
    log:
        "logs/{study}/radiomics_table.log",
    group:
        group("tables")
    conda:
        "../envs/imaging.yaml"
    resources:
        **scheduler_resources("radiomics_table"),
    params:
        code=code("gather"),
    shell:
        'python -I -S "$CROSSOVER_JOB" tables gather --code {params.code:q} '
        "--tables {input.manual} {input.tables} --out {output} --log {log} 2> {log}"
