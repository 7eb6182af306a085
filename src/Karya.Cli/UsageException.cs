namespace Karya.Cli;

/// <summary>The command line, or a file that it names, is wrong. Whoever starts the command prints it.</summary>
/// <param name="what">The mistake.</param>
/// <param name="why">Its cause; null when the mistake says all.</param>
/// <param name="hint">What to do about it; null for a look at the help.</param>
internal sealed class UsageException(string what, string? why = null, string? hint = null) : Exception(what)
{
    public string? Why => why;

    public string? Hint => hint;
}
