"""Tables to tables: no rule here needs a learning framework."""


rule statistics:
    input:
        metrics="results/{study}/metrics.csv",
        code=code("statistics"),
    output:
        expand("results/{{study}}/statistics/{name}.csv", name=STATISTICS),
    log:
        "logs/{study}/statistics.log",
    conda:
        "../envs/statistics.yaml"
    params:
        cfg=lambda w: canonical(sections.statistics(STUDIES[w.study])),
    shell:
        "python -m workflow_scripts.statistics --cfg {params.cfg:q} --metrics {input.metrics} "
        "--out results/{wildcards.study}/statistics --log {log} 2> {log}"


rule agreement:
    input:
        radiomics="results/{study}/radiomics.csv",
        code=code("agreement"),
    output:
        "results/{study}/statistics/icc.csv",
    log:
        "logs/{study}/agreement.log",
    conda:
        "../envs/statistics.yaml"
    params:
        cfg=lambda w: canonical(sections.agreement(STUDIES[w.study])),
    shell:
        "python -m workflow_scripts.agreement --cfg {params.cfg:q} --radiomics {input.radiomics} "
        "--out {output} --log {log} 2> {log}"


rule study_tables:
    input:
        splits="results/{study}/splits.csv",
        patients=lambda w: f"data/cases/{STUDIES[w.study].target}/patients.csv",
        summary="results/{study}/statistics/summary.csv",
        published=lambda w: published_file(w.study),
        code=code("tables"),
    output:
        "results/{study}/tables/table1.csv",
        "results/{study}/tables/table2.csv",
    log:
        "logs/{study}/tables.log",
    conda:
        "../envs/statistics.yaml"
    params:
        cfg=lambda w: canonical(sections.design(STUDIES[w.study], "statistics", "published")),
    shell:
        "python -m workflow_scripts.tables --cfg {params.cfg:q} --splits {input.splits} "
        "--patients {input.patients} --summary {input.summary} "
        "--out results/{wildcards.study}/tables --log {log} 2> {log}"
