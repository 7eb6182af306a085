namespace Karya.Benchmarks.Layouts;

/// <summary>A set of tables and how a batch of lives is written into them. The caller has the transaction.</summary>
internal interface ITableLayout
{
    string Name { get; }

    /// <summary>Creates the tables in an empty schema.</summary>
    string Schema { get; }

    /// <summary>Tables that collect dead rows when plans are written twice, to be vacuumed now and then.</summary>
    IReadOnlyList<string> Churned { get; }

    /// <summary>An index that is built when a partition is closed instead of row by row; else empty.</summary>
    string LateIndex { get; }

    /// <summary>How many users share the rows.</summary>
    int UserCount { get; }

    /// <summary>False for a limit, which only knows final rows.</summary>
    bool WritesTwice { get; }

    /// <summary>Plans that ended before they were ever written.</summary>
    void WriteFinal(RowWriter rows, Life[] ended);

    /// <summary>New plans, which wait.</summary>
    void WriteWaiting(RowWriter rows, Life[] waiting);

    /// <summary>The end of plans that were written while they waited.</summary>
    void WriteEnd(RowWriter rows, Life[] ended);
}
