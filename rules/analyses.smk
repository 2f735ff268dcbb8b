"""Tables to tables, and tables to figures: a rule of one form for each analysis of the registry."""

for analysis in registry.analyses():

    rule:
        name:
            analysis.rule
        input:
            **sources_for(analysis),
            tables=tables_for(analysis),
        output:
            [described(analysis, output) for output in analysis.outputs],
        log:
            f"logs/{{study}}/{analysis.kind}/{analysis.name}.log",
        wildcard_constraints:
            study=one_of([name for name, study in STUDIES.items() if analysis.applies(study)]),
        group:
            group("tables")
        conda:
            "../envs/statistics.yaml"
        resources:
            **scheduler_resources(analysis.rule),
        params:
            code=code_of(analysis),
            cfg=settings_of(analysis),
        shell:
            'python -I -S "$CROSSOVER_JOB" tables analysis --code {params.code:q} --cfg {params.cfg:q} '
            "--tables {input.tables} --stages {input.stages} --selection {input.selection} "
            "--slices {input.slices} --images {input.images} --corrected {input.corrected} --patients {input.patients} "
            "--published {input.published} --claims {input.claims} --out {output} "
            "--log {log} 2> {log}"
