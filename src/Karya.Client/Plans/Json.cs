using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Karya.Client.Plans;

/// <summary>
/// JSON without reflection of our own, so that applications may be trimmed and compiled ahead of time.
/// </summary>
internal static class Json
{
    /// <summary>
    /// Those of the web, by reflection. Where the application has switched that off, they know no type, and say so when
    /// used.
    /// </summary>
    public static JsonSerializerOptions Default { get; } =
        Resolved(new JsonSerializerOptions(JsonSerializerDefaults.Web));

    /// <param name="options">With a resolver; else one is found anew each time.</param>
    public static JsonTypeInfo<T> TypeOf<T>(JsonSerializerOptions options) =>
        (JsonTypeInfo<T>)Resolved(options).GetTypeInfo(typeof(T));

    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Not reached where reflection is off.")]
    [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "Not reached where reflection is off.")]
    public static JsonSerializerOptions Resolved(JsonSerializerOptions options)
    {
        if (options.TypeInfoResolver is not null)
            return options;
        return new JsonSerializerOptions(options)
        {
            TypeInfoResolver = JsonSerializer.IsReflectionEnabledByDefault
                ? new DefaultJsonTypeInfoResolver()
                : JsonTypeInfoResolver.Combine(),
        };
    }
}
