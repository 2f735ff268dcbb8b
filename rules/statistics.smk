"""Tables to tables: no rule here needs a learning framework."""

STATISTICS = ["summary", "anova", "tukey", "stability"]


def statistics_files(study):
    """The statistics of a study, by name."""
    names = STATISTICS + (["icc"] if STUDIES[study].radiomics else [])
    return {name: f"results/{study}/statistics/{name}.csv" for name in names}


def table_files(study):
    return [f"results/{study}/tables/table{i}.csv" for i in (1, 2)]


def published_file(study):
    """The paper's numbers as data, where the study has a paper."""
    name = STUDIES[study].published
    return [f"config/published/{name}.yaml"] if name else []


rule statistics:
    input:
        metrics="results/{study}/metrics.csv",
        code=code("statistics"),
    output:
        expand("results/{{study}}/statistics/{name}.csv", name=STATISTICS),
    log:
        "logs/{study}/statistics.log",
    params:
        cfg=lambda w: canonical(sections.statistics(STUDIES[w.study])),
    conda:
        "../envs/statistics.yaml"
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
    params:
        cfg=lambda w: canonical(sections.agreement(STUDIES[w.study])),
    conda:
        "../envs/statistics.yaml"
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
    params:
        cfg=lambda w: canonical(sections.design(STUDIES[w.study], "statistics", "published")),
    conda:
        "../envs/statistics.yaml"
    shell:
        "python -m workflow_scripts.tables --cfg {params.cfg:q} --splits {input.splits} "
        "--patients {input.patients} --summary {input.summary} "
        "--out results/{wildcards.study}/tables --log {log} 2> {log}"
