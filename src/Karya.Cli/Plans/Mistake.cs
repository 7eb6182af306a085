namespace Karya.Cli.Plans;

/// <summary>What the client says of something that it was handed, without the names of its parameters.</summary>
internal static class Mistake
{
    public static string Of(Exception exception)
    {
        string line = exception.Message.Split('\n', 2)[0].TrimEnd();
        int parameter = line.IndexOf(" (Parameter '", StringComparison.Ordinal);
        return parameter < 0 ? line : line[..parameter];
    }
}
