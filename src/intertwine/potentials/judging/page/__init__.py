"""The report page: charts, sections, style and viewer. Written through `potentials.report`."""
