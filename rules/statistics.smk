"""Tables to tables: no rule here needs a learning framework."""


rule statistics:
    input:
        metrics="results/{study}/metrics.csv",
    output:
        "results/{study}/statistics/summary.csv",
        "results/{study}/statistics/stability.csv",
    log:
        "logs/{study}/statistics.log",
    conda:
        "../envs/statistics.yaml"
    params:
        code=code("statistics"),
        cfg=lambda w: canonical(parameters.statistics(STUDIES[w.study])),
    shell:
        "python -m workflow_scripts.statistics --code {params.code:q} --cfg {params.cfg:q} "
        "--metrics {input.metrics} --out {output} --log {log} 2> {log}"


rule comparisons:
    input:
        metrics="results/{study}/metrics.csv",
    output:
        "results/{study}/statistics/anova.csv",
        "results/{study}/statistics/tukey.csv",
    log:
        "logs/{study}/comparisons.log",
    conda:
        "../envs/statistics.yaml"
    params:
        code=code("comparisons"),
        cfg=lambda w: canonical(parameters.comparisons(STUDIES[w.study])),
    shell:
        "python -m workflow_scripts.comparisons --code {params.code:q} --cfg {params.cfg:q} "
        "--metrics {input.metrics} --out {output} --log {log} 2> {log}"


rule paired:
    input:
        metrics="results/{study}/metrics.csv",
    output:
        "results/{study}/statistics/paired.csv",
    log:
        "logs/{study}/paired.log",
    conda:
        "../envs/statistics.yaml"
    params:
        code=code("paired", *STUDY),
        cfg=lambda w: canonical(parameters.compared(STUDIES[w.study])),
    shell:
        "python -m workflow_scripts.paired --code {params.code:q} --cfg {params.cfg:q} "
        "--metrics {input.metrics} --out {output} --log {log} 2> {log}"


rule curves:
    input:
        metrics="results/{study}/metrics.csv",
    output:
        "results/{study}/statistics/learning_curves.csv",
        "results/{study}/statistics/crossover.csv",
        "results/{study}/statistics/cases_needed.csv",
    log:
        "logs/{study}/curves.log",
    conda:
        "../envs/statistics.yaml"
    params:
        code=code("curves"),
        cfg=lambda w: canonical(parameters.curves(STUDIES[w.study])),
    shell:
        "python -m workflow_scripts.curves --code {params.code:q} --cfg {params.cfg:q} "
        "--metrics {input.metrics} --out {output} --log {log} 2> {log}"


rule repeated:
    input:
        metrics="results/{study}/metrics.csv",
        tukey=tukey_file,
    output:
        "results/{study}/statistics/pairwise.csv",
        "results/{study}/statistics/repeated.csv",
    log:
        "logs/{study}/repeated.log",
    conda:
        "../envs/statistics.yaml"
    params:
        code=code("repeated"),
        cfg=lambda w: canonical(parameters.repeated(STUDIES[w.study])),
    shell:
        "python -m workflow_scripts.repeated --code {params.code:q} --cfg {params.cfg:q} "
        "--metrics {input.metrics} --tukey {input.tukey} --out {output} --log {log} 2> {log}"


rule training_time:
    input:
        stages=stages_of_study,
    output:
        "results/{study}/statistics/training_time.csv",
        "results/{study}/statistics/training_time_saved.csv",
    log:
        "logs/{study}/training_time.log",
    conda:
        "../envs/statistics.yaml"
    params:
        code=code("training_time", *STUDY),
        cfg=lambda w: canonical(parameters.timed(STUDIES[w.study])),
    shell:
        "python -m workflow_scripts.training_time --code {params.code:q} --cfg {params.cfg:q} "
        "--stages {input.stages} --out {output} --log {log} 2> {log}"


rule chains:
    input:
        metrics="results/{study}/metrics.csv",
        stages=stages_of_study,
    output:
        "results/{study}/statistics/validation.csv",
        "results/{study}/statistics/chains.csv",
        "results/{study}/statistics/gains.csv",
        "results/{study}/statistics/contrasts.csv",
        "results/{study}/statistics/attributes.csv",
    log:
        "logs/{study}/chains.log",
    conda:
        "../envs/statistics.yaml"
    params:
        code=code("chains", *STUDY),
        cfg=lambda w: canonical(parameters.compared(STUDIES[w.study])),
    shell:
        "python -m workflow_scripts.chains --code {params.code:q} --cfg {params.cfg:q} "
        "--metrics {input.metrics} --stages {input.stages} --out {output} --log {log} 2> {log}"


rule agreement:
    input:
        radiomics="results/{study}/radiomics.csv",
    output:
        "results/{study}/statistics/icc.csv",
    log:
        "logs/{study}/agreement.log",
    conda:
        "../envs/statistics.yaml"
    params:
        code=code("agreement"),
        cfg=lambda w: canonical(parameters.agreement(STUDIES[w.study])),
    shell:
        "python -m workflow_scripts.agreement --code {params.code:q} --cfg {params.cfg:q} "
        "--radiomics {input.radiomics} --out {output} --log {log} 2> {log}"


rule claims:
    input:
        claims=lambda w: claims_file(w.study),
        published=lambda w: published_file(w.study),
        tables=judged_by,
    output:
        "results/{study}/statistics/claims.csv",
    log:
        "logs/{study}/claims.log",
    conda:
        "../envs/statistics.yaml"
    params:
        code=code("claims"),
        cfg=lambda w: canonical(parameters.claimed(STUDIES[w.study])),
    shell:
        "python -m workflow_scripts.claims --code {params.code:q} --cfg {params.cfg:q} "
        "--claims {input.claims} --published {input.published} --tables {input.tables} "
        "--out {output} --log {log} 2> {log}"


rule study_tables:
    input:
        splits="results/{study}/splits.csv",
        patients=lambda w: f"data/cases/{STUDIES[w.study].target}/patients.csv",
        summary="results/{study}/statistics/summary.csv",
        paired=paired_file,
        published=lambda w: published_file(w.study),
    output:
        "results/{study}/tables/table1.csv",
        "results/{study}/tables/table2.csv",
    log:
        "logs/{study}/tables.log",
    wildcard_constraints:
        study=one_of(set(STUDIES) - set(CHAINED)),
    conda:
        "../envs/statistics.yaml"
    params:
        code=code("tables", *STUDY),
        cfg=lambda w: canonical(parameters.tabulated(STUDIES[w.study])),
    shell:
        "python -m workflow_scripts.tables --code {params.code:q} --cfg {params.cfg:q} "
        "--splits {input.splits} --patients {input.patients} --summary {input.summary} "
        "--paired {input.paired} --published {input.published} --out {output} "
        "--log {log} 2> {log}"


rule chains_tables:
    input:
        splits="results/{study}/splits.csv",
        slices=of_cohorts("data/slices/{study}/{cohort}/manifest.json"),
        cells=cells_file,
        scores="results/{study}/statistics/chains.csv",
        published=lambda w: published_file(w.study),
    output:
        "results/{study}/tables/table1.csv",
        "results/{study}/tables/table2.csv",
        "results/{study}/tables/table3.csv",
    log:
        "logs/{study}/tables.log",
    wildcard_constraints:
        study=one_of(CHAINED),
    conda:
        "../envs/statistics.yaml"
    params:
        code=code("chains_tables", *STUDY),
        cfg=lambda w: canonical(parameters.tabulated(STUDIES[w.study])),
    shell:
        "python -m workflow_scripts.chains_tables --code {params.code:q} --cfg {params.cfg:q} "
        "--splits {input.splits} --slices {input.slices} --cells {input.cells} "
        "--scores {input.scores} --published {input.published} --out {output} "
        "--log {log} 2> {log}"
