namespace Karya.Cli.Rendering;

/// <summary>How data is printed.</summary>
internal enum OutputForm
{
    /// <summary>For people.</summary>
    Table,

    /// <summary>One document, indented.</summary>
    Json,

    /// <summary>One document per line: per plan of a list, per change of a plan that is watched.</summary>
    Jsonl,
}
